"""Pictures: one engine, and a painter per family of models, by mlx-vlm and mflux."""
