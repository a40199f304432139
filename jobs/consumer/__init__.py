"""What every process needs that consumes queues: taking jobs, leases, commands, events and registration with RQ."""
