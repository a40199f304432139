"""Processes: the supervisor, the embedded Redis, what every process does at its start."""
