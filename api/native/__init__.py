"""mlxq's own resources: jobs, artifacts, the queue, the description."""
