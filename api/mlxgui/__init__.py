"""MLX-GUI's dialect: its manager, discovery, settings, system and downloads."""
