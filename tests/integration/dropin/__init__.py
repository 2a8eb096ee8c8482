"""One set of tests for both servers: what tracd does, tracd-cluster does."""
