"""Speech models: `SpeechModel` for all of mlx-audio, and a file with a subclass for each family that needs more."""
