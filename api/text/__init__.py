"""Chats and completions: what a request brings along, and from events to chunks."""
