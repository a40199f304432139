"""`/v1/messages/batches`."""
