"""Which texts can be spoken at all."""

import unicodedata


def has_words(text: str) -> bool:
    """Whether the text has a letter or a digit of any script: emoji and punctuation are not spoken."""
    return any(unicodedata.category(sign)[0] in "LN" for sign in text)
