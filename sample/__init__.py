"""A sample Trac environment, and the demo that serves it."""
