"""A long text in pieces that a model can say in one go, cut where a speaker would breathe."""

import re
import unicodedata

from mlxq.media.spoken_text import has_words

#: After the end of a sentence; after a clause; between words.
_CUTS = (
    re.compile("(?<=[.!?…])\\s+|(?<=[。\uff01\uff1f])|\n+"),
    re.compile("(?<=[,;:])\\s+|(?<=[、\uff0c\uff1a\uff1b])"),
    re.compile(r"\s+"),
)
#: A sign of Chinese or Japanese is a syllable or two: it takes as long to say as this many letters.
_SYLLABLE = 3


def weight(text: str) -> int:
    """How long a text takes to say, in letters."""
    return sum(_SYLLABLE if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def pieces(text: str, longest: int) -> list[str]:
    """The text in pieces of a weight up to `longest`, without what can't be said between them."""
    return [piece for piece in _gather(_split(text.strip(), longest, 0), longest) if has_words(piece)]


def _split(text: str, longest: int, level: int) -> list[str]:
    """Parts that are light enough, cut at the best places first."""
    if weight(text) <= longest:
        return [text] if text else []
    if level == len(_CUTS):
        half = len(text) // 2
        return _split(text[:half], longest, level) + _split(text[half:], longest, level)
    parts = [part for part in _CUTS[level].split(text) if part]
    return [piece for part in parts for piece in _split(part, longest, level + 1)]


def _gather(parts: list[str], longest: int) -> list[str]:
    """Neighbours together again, as long as they are light enough."""
    gathered: list[str] = []
    for part in parts:
        if gathered:
            joined = gathered[-1] + _glue(gathered[-1], part) + part
            if weight(joined) <= longest:
                gathered[-1] = joined
                continue
        gathered.append(part)
    return gathered


def _glue(before: str, after: str) -> str:
    """Words of most scripts have a space between them."""
    return "" if weight(before[-1]) > 1 or weight(after[0]) > 1 else " "
