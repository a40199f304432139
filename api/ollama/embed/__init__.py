"""Ollama's embeddings."""
