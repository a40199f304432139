"""Anthropic's list of models."""
