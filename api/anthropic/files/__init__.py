"""Anthropic's files."""
