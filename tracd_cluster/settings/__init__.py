"""Every setting in its final, checked form.

Each room gets the part it needs and copies it to attributes when it is made; nobody looks a setting up by name
afterwards. Times are seconds, sizes are bytes. The defaults stand here and nowhere else: the command line shows
them, the documentation quotes them.
"""
