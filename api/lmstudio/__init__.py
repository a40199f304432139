"""LM Studio's own API, beside those of OpenAI's shape."""
