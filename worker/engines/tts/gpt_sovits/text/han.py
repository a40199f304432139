"""Which language Chinese characters are of: Chinese has them, and Japanese has many of the same.

This module knows scripts and the words of both dictionaries. It does not know where a text is cut.
"""

import unicodedata

import jieba

from worker.engines.tts.gpt_sovits.text.japanese import words

CHINESE, JAPANESE = "zh", "ja"
HAN, HIRAGANA, KATAKANA, LATIN = "han", "hiragana", "katakana", "latin"
#: Characters that Chinese sentences are full of, and Japanese words rarely have.
_FREQUENT = frozenset("的是了我你他她很")


def script(sign: str) -> str | None:
    if not sign.isalpha():
        return None
    name = unicodedata.name(sign, "")
    if name.startswith(("CJK", "IDEOGRAPHIC")):
        return HAN
    if name.startswith("HIRAGANA"):
        return HIRAGANA
    if name.startswith("KATAKANA"):
        return KATAKANA
    return LATIN if "LATIN" in name else None


def seems_japanese(text: str) -> bool:
    """Whether a text has hiragana, and no character that is only Chinese."""
    return HIRAGANA in map(script, text) and not any(map(_simplified, text))


def language(section: str, *, japanese: bool) -> str:
    """That of the Chinese characters of a section without signs of other scripts.

    `japanese`: the whole text seems to be. Sections without kana are of the language that has the words for them.
    """
    scripts = {*map(script, section)}
    if any(map(_simplified, section)):
        return CHINESE
    if HIRAGANA in scripts:
        return JAPANESE
    kana = KATAKANA in scripts
    if not japanese:
        return JAPANESE if kana and any(map(_traditional, section)) else CHINESE
    if len(_FREQUENT.intersection(section)) > 1 or (not kana and _are_words(section.strip())):
        return CHINESE
    return JAPANESE


def _are_words(characters: str) -> bool:
    """Whether they are words in Chinese more likely than in Japanese."""
    found = words(characters)
    # Japanese words of one character have kana beside them, mostly.
    return 1 in map(len, found) and len(jieba.lcut(characters, HMM=False)) < len(found)


def _simplified(sign: str) -> bool:
    """Whether a Chinese character is written so in China only."""
    return script(sign) == HAN and not _encodable(sign, "shift_jis")


def _traditional(sign: str) -> bool:
    """Whether a Chinese character is not written so in China."""
    return script(sign) == HAN and not _encodable(sign, "gb2312")


def _encodable(sign: str, encoding: str) -> bool:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
