"""HTTP: middleware, security, bodies, errors, server-sent events. It does not know resources or kinds of jobs."""
