"""The control plane: which workers there are, and what becomes of them."""
