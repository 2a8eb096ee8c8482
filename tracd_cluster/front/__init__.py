"""The data plane, client side: connections, requests, answers."""
