"""The admin listener of real services: what it tells, refuses and does, and how it looks."""
