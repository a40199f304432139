"""Words of Paraformer's tokens, as FunASR's sentence_postprocess writes them.

Chinese characters and digits stand alone, without spaces. Pieces that end in `@@` belong to the token after them;
letters that are spelt one by one become one word in capitals. This module knows strings only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Tokens that are not spoken.
SILENT = frozenset({"<blank>", "<s>", "</s>", "<unk>", "<OOV>"})

_UNSPACED = re.compile(r"[\u4e00-\u9fff0-9]+")
_LETTER = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, and the first and last of the tokens that make it. `spaced`: it stands between spaces."""

    text: str
    first: int
    last: int
    spaced: bool


def words(tokens: Sequence[str]) -> list[Spoken]:
    """The words of these tokens."""
    return _abbreviations(_merged(tokens))


def join(spoken: Sequence[Spoken]) -> str:
    """The text of these words."""
    text = ""
    for before, word in zip([None, *spoken], spoken, strict=False):
        text += (" " if before and before.spaced and word.spaced else "") + word.text
    return text


def _merged(tokens: Sequence[str]) -> list[Spoken]:
    """Joins the pieces of words. A piece without a successor is a word: nothing is left out."""
    merged: list[Spoken] = []
    pieces: list[int] = []

    def flush() -> None:
        if pieces:
            text = "".join(tokens[number].replace("@@", "") for number in pieces)
            merged.append(Spoken(text, pieces[0], pieces[-1], spaced=True))
            pieces.clear()

    for number, token in enumerate(tokens):
        if token in SILENT:
            continue
        if _UNSPACED.fullmatch(token):
            flush()
            merged.append(Spoken(token, number, number, spaced=False))
            continue
        pieces.append(number)
        if "@@" not in token:
            flush()
    flush()
    return merged


def _abbreviations(spoken: list[Spoken]) -> list[Spoken]:
    """Two or more single letters in a row are one word: `u s a` → `USA`."""
    joined: list[Spoken] = []
    letters: list[Spoken] = []
    for word in [*spoken, None]:
        if word is not None and _LETTER.fullmatch(word.text):
            letters.append(word)
            continue
        if len(letters) > 1:
            text = "".join(letter.text for letter in letters).upper()
            letters = [Spoken(text, letters[0].first, letters[-1].last, spaced=True)]
        joined += letters
        letters = []
        if word is not None:
            joined.append(word)
    return joined
