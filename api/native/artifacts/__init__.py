"""`/v1/jobs/{id}/artifacts`."""
