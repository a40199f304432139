"""Vectors of texts, and ranks of documents."""
