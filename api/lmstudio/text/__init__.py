"""`/api/v0/chat/completions`, `/api/v0/completions` and `/api/v0/embeddings`."""
