"""Speech models: one `Family` for all models of mlx-audio, and subclasses for families that need more."""
