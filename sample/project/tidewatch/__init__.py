"""Tide tables and warnings for small harbours."""
