"""Which texts can be spoken at all."""

import unicodedata

#: Letters that stand for none: fillers of Hangul, which are not seen.
_FILLERS = "\u115f\u1160\u3164\uffa0"


def has_words(text: str) -> bool:
    """Whether the text has a letter or a digit of any script: emoji and punctuation are not spoken."""
    return any(unicodedata.category(sign)[0] in "LN" and sign not in _FILLERS for sign in text)
