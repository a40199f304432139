"""Chats with images, on mlx-vlm."""
