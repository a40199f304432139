"""Cuts a text into parts of one language each, by its scripts."""

# ruff: noqa: RUF001

import unicodedata
from dataclasses import dataclass
from itertools import groupby

CHINESE, ENGLISH, JAPANESE = "zh", "en", "ja"
_HAN, _HIRAGANA, _KATAKANA, _LATIN = "han", "hiragana", "katakana", "latin"
#: Stands for a language until that of the neighbours is known.
_DIGITS = "digits"
#: Ends of clauses: what follows belongs to the next one.
_ENDS = ",.!?，。！？"
#: Characters that Chinese sentences are full of, and Japanese words rarely have.
_FREQUENT = frozenset("的是了我你他她很")


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
    japanese = _HIRAGANA in map(_script, text) and not any(map(_simplified, text))
    pending = ""
    for _, signs in groupby(text, _together):
        section = "".join(signs)
        han = language if language in (CHINESE, JAPANESE) else _of(section, japanese)
        for sign in section:
            found = _language(sign, han)
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
            after = pieces[place + 1] if place + 1 < len(pieces) else None
            piece = Part(language or _around(parts[-1] if parts else None, piece, after), piece.text)
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


def _language(sign: str, han: str) -> str | None:
    """That of one character; None for one that has none."""
    if sign.isdecimal():
        return _DIGITS
    script = _script(sign)
    if script in (_HIRAGANA, _KATAKANA):
        return JAPANESE
    return han if script == _HAN else ENGLISH if script == _LATIN else None


def _script(sign: str) -> str | None:
    if not sign.isalpha():
        return None
    name = unicodedata.name(sign, "")
    if name.startswith(("CJK", "IDEOGRAPHIC")):
        return _HAN
    if name.startswith("HIRAGANA"):
        return _HIRAGANA
    if name.startswith("KATAKANA"):
        return _KATAKANA
    return _LATIN if "LATIN" in name else None


def _together(sign: str) -> bool:
    """Whether a character is one of Chinese or Japanese. Between others they are of one language, or of both."""
    return sign == " " or _script(sign) in (_HAN, _HIRAGANA, _KATAKANA)


def _of(section: str, japanese: bool) -> str:
    """The language of the Chinese characters of a section. `japanese`: the whole text seems to be."""
    scripts = {*map(_script, section)}
    if any(map(_simplified, section)):
        return CHINESE
    if _HIRAGANA in scripts:
        return JAPANESE
    if japanese:
        return CHINESE if len(_FREQUENT.intersection(section)) > 1 else JAPANESE
    return JAPANESE if _KATAKANA in scripts and any(map(_traditional, section)) else CHINESE


def _simplified(sign: str) -> bool:
    """Whether a Chinese character is written so in China only."""
    return _script(sign) == _HAN and not _encodable(sign, "shift_jis")


def _traditional(sign: str) -> bool:
    """Whether a Chinese character is not written so in China."""
    return _script(sign) == _HAN and not _encodable(sign, "gb2312")


def _encodable(sign: str, encoding: str) -> bool:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
