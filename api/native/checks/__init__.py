"""`/v1/checks`."""
