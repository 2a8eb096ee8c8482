"""Several hosts for one site: a database, three that serve it, and a front tier before them."""
