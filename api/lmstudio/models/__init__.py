"""LM Studio's lists of models, and their loads and unloads."""
