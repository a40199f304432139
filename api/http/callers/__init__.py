"""Who sends a request: the caller and its rights, and the program."""
