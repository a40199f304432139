"""Cuts a text into parts of one language each, by its scripts."""

# ruff: noqa: RUF001 (marks of Chinese)

import unicodedata
from dataclasses import dataclass
from itertools import groupby

from worker.engines.tts.gpt_sovits.text import han
from worker.engines.tts.gpt_sovits.text.han import CHINESE, HAN, HIRAGANA, JAPANESE, KATAKANA, LATIN, script

ENGLISH = "en"
#: Stands for a language until that of the neighbours is known.
_DIGITS = "digits"
#: Ends of clauses: what follows belongs to the next one.
_ENDS = ",.!?，。！？"


@dataclass(slots=True)
class Part:
    language: str
    text: str


def split(text: str, language: str | None) -> list[Part]:
    """Parts whose texts together are the text. `language` is that of digits and of characters that several have."""
    return _joined(_pieces(text, language), language)


def _pieces(text: str, language: str | None) -> list[Part]:
    """Parts in one script each, of which those of digits have no language yet."""
    parts: list[Part] = []
    japanese = han.seems_japanese(text)
    pending = ""
    for _, signs in groupby(text, _together):
        section = "".join(signs)
        characters = language if language in (CHINESE, JAPANESE) else han.language(section, japanese=japanese)
        for sign in section:
            found = _language(sign, characters)
            if found is None:
                # Spaces and punctuation go with what is before them.
                if parts:
                    parts[-1].text += sign
                else:
                    pending += sign
            elif parts and parts[-1].language == found:
                parts[-1].text += sign
            else:
                parts.append(Part(found, pending + sign))
                pending = ""
    if pending:
        parts.append(Part(language or (ENGLISH if pending.isascii() else CHINESE), pending))
    return parts


def _joined(pieces: list[Part], language: str | None) -> list[Part]:
    """The same with digits in the language around them, as GPT-SoVITS reads them."""
    parts: list[Part] = []
    for place, piece in enumerate(pieces):
        if piece.language == _DIGITS:
            # Beside pictures digits are those of the words before them.
            before = next((part for part in reversed(parts) if any(map(str.isalnum, part.text))), None)
            after = pieces[place + 1] if place + 1 < len(pieces) else None
            piece = Part(language or _around(before, piece, after), piece.text)
        if parts and parts[-1].language == piece.language:
            parts[-1].text += piece.text
        else:
            parts.append(piece)
    return parts


def _around(before: Part | None, digits: Part, after: Part | None) -> str:
    """The language of digits: that of the longer neighbour, unless a sentence ends between them."""
    if before is None or after is None:
        near = before or after
        return near.language if near else ENGLISH
    if before.text[-1] in _ENDS:
        return after.language
    return (
        before.language if digits.text[-1] in "。." or len(before.text) >= len(after.text) else after.language
    )


def _language(sign: str, characters: str) -> str | None:
    """That of one sign, where `characters` is that of Chinese ones; None for one that has none."""
    if sign.isdecimal():
        return _DIGITS
    found = script(sign)
    if found in (HIRAGANA, KATAKANA):
        return JAPANESE
    if found == LATIN or _is_picture(sign):
        return ENGLISH
    return characters if found == HAN else None


def _is_picture(sign: str) -> bool:
    """Whether it is one that no language reads. To GPT-SoVITS these are English, which makes a pause of them."""
    return sign != "°" and unicodedata.category(sign) == "So" and unicodedata.normalize("NFKC", sign) == sign


def _together(sign: str) -> bool:
    """Whether a character is one of Chinese or Japanese. Between others they are of one language, or of both."""
    return sign == " " or script(sign) in (HAN, HIRAGANA, KATAKANA)
