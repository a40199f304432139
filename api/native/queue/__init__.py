"""`/v1/queue/stats`."""
