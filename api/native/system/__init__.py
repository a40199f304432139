"""`/` and `/health`."""
