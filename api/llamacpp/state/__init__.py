"""`/props` and `/slots`."""
