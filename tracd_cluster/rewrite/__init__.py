"""What changes in heads and URLs between a client and a worker."""
