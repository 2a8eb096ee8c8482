"""Servers in front of ours, as operators put them there."""
