"""Cuts a text into parts of one language each, by its scripts."""

# ruff: noqa: RUF001

import re
import unicodedata
from dataclasses import dataclass

CHINESE, ENGLISH, JAPANESE = "zh", "en", "ja"
_HAN, _KANA, _LATIN = "han", "kana", "latin"
#: The end of a clause, within which Chinese characters are of one language.
_CLAUSE = re.compile(r"(?<=[。！？!?，,；;：:\n…])")


@dataclass(slots=True)
class Part:
    language: str
    text: str


def split(text: str, language: str | None) -> list[Part]:
    """Parts whose texts together are the text. `language` is that of characters that several languages have."""
    parts: list[Part] = []
    whole = language if language in (CHINESE, JAPANESE) else _of(text)
    pending = ""
    for clause in _CLAUSE.split(text):
        han = CHINESE if language == CHINESE else JAPANESE if whole == JAPANESE else _of(clause)
        for sign in clause:
            found = _language(sign, han)
            if found is None:
                # Digits, spaces and punctuation go with what is before them.
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


def _language(sign: str, han: str) -> str | None:
    """That of one character; None for one that has none."""
    script = _script(sign)
    if script == _KANA:
        return JAPANESE
    return han if script == _HAN else ENGLISH if script == _LATIN else None


def _script(sign: str) -> str | None:
    if not sign.isalpha():
        return None
    name = unicodedata.name(sign, "")
    if name.startswith(("CJK", "IDEOGRAPHIC")):
        return _HAN
    if name.startswith(("HIRAGANA", "KATAKANA")):
        return _KANA
    return _LATIN if "LATIN" in name else None


def _of(text: str) -> str:
    """The language of a text's Chinese characters: Japanese, if there is kana and they are all written in Japan."""
    scripts = [_script(sign) for sign in text]
    if _KANA not in scripts:
        return CHINESE
    han = "".join(sign for sign, script in zip(text, scripts, strict=True) if script == _HAN)
    try:
        han.encode("shift_jis")
    except UnicodeEncodeError:
        return CHINESE
    return JAPANESE
