"""What tools/train_tiny_whisper.py is made of: the words, the synthetic speech, the windows, the network."""
