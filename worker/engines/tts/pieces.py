"""Splits a long text into pieces that a model can speak at once: at sentences, clauses, then words."""

import re
import unicodedata

from mlxq.media.spoken_text import has_words

#: After the end of a sentence; after a clause; between words.
_CUTS = (
    re.compile("(?<=[.!?…])\\s+|(?<=[。\uff01\uff1f])|\n+"),
    re.compile("(?<=[,;:])\\s+|(?<=[、\uff0c\uff1a\uff1b])"),
    re.compile(r"\s+"),
)
#: A Chinese or Japanese character takes as long to speak as this many letters.
_SYLLABLE = 3


def weight(text: str) -> int:
    """How long a text takes to speak, in letters."""
    return sum(_SYLLABLE if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def pieces(text: str, longest: int) -> list[str]:
    """The text in pieces of a weight up to `longest`, without pieces that have no words."""
    return [piece for piece in _gather(_split(text.strip(), longest, 0), longest) if has_words(piece)]


def _split(text: str, longest: int, level: int) -> list[str]:
    """Parts of at most that weight, cut at the best places first."""
    if weight(text) <= longest:
        return [text] if text else []
    if level == len(_CUTS):
        half = len(text) // 2
        return _split(text[:half], longest, level) + _split(text[half:], longest, level)
    parts = [part for part in _CUTS[level].split(text) if part]
    return [piece for part in parts for piece in _split(part, longest, level + 1)]


def _gather(parts: list[str], longest: int) -> list[str]:
    """Joins neighbours while their weight allows it."""
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
    """The separator of two parts: a space in most scripts."""
    return "" if weight(before[-1]) > 1 or weight(after[0]) > 1 else " "
