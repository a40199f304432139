"""`/completion`."""
