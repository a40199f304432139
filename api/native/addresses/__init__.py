"""`/v1/addresses`."""
