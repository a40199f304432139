"""Sends deliveries of webhooks. What is delivered, and when, is in `jobs/webhooks`."""
