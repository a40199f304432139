"""`/v1/workers`."""
