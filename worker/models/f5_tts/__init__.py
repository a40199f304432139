"""F5-TTS by f5-tts-mlx: weights of any size from a folder, and its sampling step by step."""
