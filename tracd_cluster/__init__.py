"""Trac behind a front of its own: one Twisted process that speaks HTTP, and a pool of supervised workers."""
