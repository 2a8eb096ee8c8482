"""The documentation: pages that are made of the program, and what is told of a page by reading it."""
