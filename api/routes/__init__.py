"""One module per resource: from a request to a job, and from its outcome to a response."""
