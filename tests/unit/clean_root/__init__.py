"""Tests of how commands are read from pages."""
