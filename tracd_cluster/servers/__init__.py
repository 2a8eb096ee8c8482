"""CONTROL PLANE for servers elsewhere: where they are, who of them is well, and how much each gets."""
