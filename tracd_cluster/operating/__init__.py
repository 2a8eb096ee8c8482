"""What an operator asks of a running service, and what the service tells its manager."""
