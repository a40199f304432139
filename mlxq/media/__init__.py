"""Which images and recordings are accepted, and the formats of both."""
