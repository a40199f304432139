"""Whose models are served, and by which names, in memory."""
