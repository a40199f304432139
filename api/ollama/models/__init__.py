"""Ollama's lists, downloads and deletion of models."""
