"""What runs inside the template and the workers; it imports nothing of Twisted nor of the other rooms."""
