"""Which images and recordings are accepted, and their formats."""
