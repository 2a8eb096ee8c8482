"""Measures this package against its peers, side by side: ``make bench``."""
