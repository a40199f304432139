"""Which texts can be said at all."""

import unicodedata


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit of any script in it: emoji and punctuation are not said."""
    return any(unicodedata.category(sign)[0] in "LN" for sign in text)
