"""Vectors of texts, by mlx-embeddings."""
