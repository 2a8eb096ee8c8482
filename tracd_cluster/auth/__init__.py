"""Who a client is: passwords, Basic and Digest, and the gate that asks for them."""
