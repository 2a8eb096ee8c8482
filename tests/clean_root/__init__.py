"""Does what the pages say in a fresh Debian, word for word: ``make clean-root``."""
