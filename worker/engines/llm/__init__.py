"""Chats and completions: text models by mlx-lm, vision models by mlx-vlm."""
