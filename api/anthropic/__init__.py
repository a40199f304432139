"""Anthropic's dialect: one folder per resource."""
