"""The error for an image that cannot be read. This module does not know Pillow, so that it can be imported early."""


class UnreadableImage(ValueError):
    """The message says why, for the user."""
