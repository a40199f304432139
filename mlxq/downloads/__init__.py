"""Downloads: a process of its own that fetches models from a hub into the hub's cache.

It serves one queue, `download`, and never imports MLX: however long a download takes, no model waits for it.
"""
