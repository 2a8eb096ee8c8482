"""Hostile and odd requests as files, each with what the front must make of it."""
