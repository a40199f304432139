"""`/v1/voices`."""
