"""mlxq: one queue for all the AI on a Mac. `mlxq serve` starts it; other verbs talk to the running server.

Importing this package imports nothing else of it.
"""
