"""Image models: one engine, and a file per family with its DiffusionModel, by mlx-vlm and mflux."""
