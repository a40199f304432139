"""`/v1/images/*`."""
