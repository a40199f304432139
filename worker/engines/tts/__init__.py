"""Text-to-speech models: one way to ask all that mlx-audio loads, and what is special about some families."""
