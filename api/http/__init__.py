"""HTTP itself: middleware, security, bodies, errors, server-sent events. It knows no resource and no kind of job."""
