"""Chat and completions: text models and those that also see, by mlx-lm and mlx-vlm."""
