"""A process of its own that downloads models from a hub into the hub's cache.

It serves the queue `download` and never imports MLX. A long download does not delay jobs of any model.
"""
