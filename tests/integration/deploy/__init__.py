"""The files of ``deploy/``, each put to use as far as that goes without systemd, an engine or a cloud."""
