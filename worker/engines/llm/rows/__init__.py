"""Rows of tokens: how prompts are read, and how answers are sampled together. Nothing here knows text or requests."""
