"""Japanese text to phonemes with the rise and fall of pitch, by Open JTalk.

The pitch is read from its labels as in Kurihara, Seiyama and Kumano, "Prosodic Features Control by Symbols as Input
of Sequence-to-Sequence Acoustic Modeling for Neural TTS" (2021).
"""

# ruff: noqa: RUF001 (marks of Japanese)

import re
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise

from worker.engines.tts.gpt_sovits.text.alphabet import PUNCTUATION

#: What Open JTalk reads: kana, Chinese characters, letters and digits, also wide ones.
_SPOKEN = re.compile(
    r"[A-Za-z\d\u3005\u3040-\u30ff\u4e00-\u9fff\uff11-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d]+"
)
_SIGNS = str.maketrans({**dict.fromkeys("：；，·、\uff1a", ","), "。": ".", "！": "!", "？": "?", "\n": "."})
_MARKS = re.escape("".join(PUNCTUATION))
_REPEATED = re.compile(rf"([{_MARKS}])[{_MARKS}]+")
_VOWELS = ("a", "e", "i", "o", "u", "A", "E", "I", "O", "U", "N", "cl")
#: A border between phrases, which the alphabet lacks.
_BORDER = "#"


def can_speak() -> bool:
    """Whether Open JTalk is installed."""
    return find_spec("pyopenjtalk") is not None


@dataclass(frozen=True, slots=True)
class _Label:
    """A phoneme; of its mora the distance from the accent and the place from both ends; the phrase's moras."""

    phoneme: str
    from_accent: int | None
    forward: int | None
    backward: int | None
    moras: int | None

    @classmethod
    def of(cls, text: str) -> "_Label":
        found = re.search(r"-(.*?)\+", text)
        return cls(
            found[1] if found else "",
            _number(r"/A:(-?\d+)\+", text),
            _number(r"\+(\d+)\+", text),
            _number(r"\+(\d+)/", text),
            _number(r"/F:(\d+)_", text),
        )


def symbols(text: str) -> list[str]:
    """The phonemes of a text, with its punctuation."""
    text = _REPEATED.sub(r"\1", text.replace("％", "パーセント").lower())
    found: list[str] = []
    place = 0
    for spoken in _SPOKEN.finditer(text):
        found += _signs(text[place : spoken.start()])
        found += _phonemes(spoken[0])
        place = spoken.end()
    return found + _signs(text[place:])


def words(text: str) -> list[str]:
    """The words of a text without spaces and signs; none where Open JTalk is not installed."""
    if not can_speak():
        return []
    import pyopenjtalk

    return [str(word["string"]) for word in pyopenjtalk.run_frontend(text)]


def _signs(between: str) -> list[str]:
    return [sign for sign in between.translate(_SIGNS) if not sign.isspace()]


def _phonemes(text: str) -> list[str]:
    import pyopenjtalk

    labels = [_Label.of(label) for label in pyopenjtalk.make_label(pyopenjtalk.run_frontend(text))]
    found: list[str] = []
    for label, after in pairwise(labels):
        if label.phoneme == "sil":
            continue
        if label.phoneme == "pau":
            found.append("_")
            continue
        # Vowels without voice are written in capitals.
        voiced = label.phoneme.lower() if label.phoneme in "AEIOU" else label.phoneme
        found.append(voiced)
        following = label.forward is not None and after.forward == label.forward + 1
        if label.backward == 1 and after.forward == 1 and label.phoneme in _VOWELS:
            found.append(_BORDER)
        elif label.from_accent == 0 and following and label.forward != label.moras:
            found.append("]")
        elif label.forward == 1 and after.forward == 2:
            found.append("[")
    return found


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
