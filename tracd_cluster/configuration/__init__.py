"""What the operator wants: the table of options, the configuration file, and the settings made of both."""
