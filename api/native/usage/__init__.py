"""`/v1/usage`."""
