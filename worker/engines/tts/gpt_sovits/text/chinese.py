"""Chinese text to phonemes: numbers are written out, words are cut, and tones change with their neighbours.

The rules of tones and numbers are PaddleSpeech's, as misaki has them; pypinyin knows the readings of words.
"""

# ruff: noqa: RUF001 (marks of Chinese)

import re
from dataclasses import dataclass

import jieba.posseg
from misaki.tone_sandhi import ToneSandhi
from misaki.zh_normalization import TextNormalizer
from pypinyin import Style, lazy_pinyin

from worker.engines.tts.gpt_sovits.text.alphabet import PUNCTUATION, UNKNOWN

_SANDHI, _NORMALIZER = ToneSandhi(), TextNormalizer()
#: Punctuation → that of the alphabet.
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("：；，·、/", ","),
        "。": ".",
        "$": ".",
        "！": "!",
        "？": "?",
        "—": "-",
        "~": "…",
        "～": "…",
    }
)
#: Characters whose readings are no syllables, and others of the same sound.
_ALIKE = str.maketrans({"嗯": "恩", "呣": "母"})
_MARKS = re.escape("".join(PUNCTUATION))
#: What is neither a character nor punctuation is not spoken.
_UNSPOKEN = re.compile(rf"[^\u4e00-\u9fa5{_MARKS}]+")
_REPEATED = re.compile(rf"([{_MARKS}])[{_MARKS}]+")
#: Words that keep the sound of 儿, and kinds of words that do.
_KEPT = frozenset(
    [
        "虐儿",
        "为儿",
        "护儿",
        "瞒儿",
        "救儿",
        "替儿",
        "有儿",
        "一儿",
        "我儿",
        "俺儿",
        "妻儿",
        "拐儿",
        "聋儿",
        "乞儿",
        "患儿",
        "幼儿",
        "孤儿",
        "婴儿",
        "婴幼儿",
        "连体儿",
        "脑瘫儿",
        "流浪儿",
        "体弱儿",
        "混血儿",
        "蜜雪儿",
        "舫儿",
        "祖儿",
        "美儿",
        "应采儿",
        "可儿",
        "侄儿",
        "孙儿",
        "侄孙儿",
        "女儿",
        "男儿",
        "红孩儿",
        "花儿",
        "虫儿",
        "马儿",
        "鸟儿",
        "猪儿",
        "猫儿",
        "狗儿",
        "少儿",
    ]
)
_LOST = frozenset(["小院儿", "胡同儿", "范儿", "老汉儿", "撒欢儿", "寻老礼儿", "妥妥儿", "媳妇儿"])
_KEEPING = frozenset({"a", "j", "nr"})
#: Finals after no initial → the symbols of the syllable.
_ALONE = {
    **{final: ("AA", final) for final in ("a", "ai", "an", "ang", "ao")},
    **{final: ("OO", final) for final in ("o", "ou")},
    **{final: ("EE", final) for final in ("e", "ei", "en", "eng", "er")},
    **{"ia": ("y", "a"), "ian": ("y", "En"), "iang": ("y", "ang"), "iao": ("y", "ao"), "ie": ("y", "E")},
    **{"i": ("y", "i"), "in": ("y", "in"), "ing": ("y", "ing"), "io": ("y", "o"), "iong": ("y", "ong")},
    **{"iou": ("y", "ou"), "u": ("w", "u"), "ua": ("w", "a"), "uai": ("w", "ai"), "uan": ("w", "an")},
    **{"uang": ("w", "ang"), "uei": ("w", "ei"), "uen": ("w", "en"), "ueng": ("w", "eng"), "uo": ("w", "o")},
    **{final: ("y", final) for final in ("v", "van", "ve", "vn")},
}
#: Finals that are written otherwise after an initial.
_WRITTEN = {"uei": "ui", "iou": "iu", "uen": "un"}
_BUZZING = {**dict.fromkeys(("z", "c", "s"), "i0"), **dict.fromkeys(("zh", "ch", "sh", "r"), "ir")}


@dataclass(frozen=True, slots=True)
class Syllable:
    """A character's initial, which may be empty, and its final with the tone. Both are equal for punctuation."""

    initial: str
    final: str

    def symbols(self) -> list[str]:
        if self.initial == self.final:
            return [self.initial if self.initial in PUNCTUATION else UNKNOWN]
        final, tone = self.final[:-1], self.final[-1]
        if not self.initial:
            first, rest = _ALONE.get(final, (UNKNOWN, ""))
            return [first, f"{rest}{tone}"] if rest else [UNKNOWN]
        if final == "i":
            final = _BUZZING.get(self.initial, final)
        return [self.initial, f"{_WRITTEN.get(final, final)}{tone}"]


def normalised(text: str) -> str:
    """Characters and punctuation only."""
    # The library drops these.
    parts = re.split(r"…+|\.{3,}", text)
    spoken = "…".join("".join(_NORMALIZER.normalize(part)) for part in parts)
    spoken = spoken.translate(_ALIKE).translate(_SIGNS)
    return _REPEATED.sub(r"\1", _UNSPOKEN.sub("", spoken))


def symbols(text: str) -> tuple[list[str], list[int]]:
    """The phonemes of a normalised text, and how many each of its characters has."""
    found: list[str] = []
    counts: list[int] = []
    for sentence in re.findall(rf"[^{_MARKS}]+[{_MARKS}]?|[{_MARKS}]", text):
        words = [(word.word, word.flag) for word in jieba.posseg.lcut(sentence)]
        for word, kind in _SANDHI.pre_merge_for_modify(words):
            for syllable in _syllables(word, kind):
                parts = syllable.symbols()
                found += parts
                counts.append(len(parts))
    return found, counts


def _syllables(word: str, kind: str) -> list[Syllable]:
    """Those of a word, one for each character."""
    initials = lazy_pinyin(word, neutral_tone_with_five=True, style=Style.INITIALS)
    finals = lazy_pinyin(word, neutral_tone_with_five=True, style=Style.FINALS_TONE3)
    if len(initials) != len(word) or any(not final[-1].isdigit() for final in finals):
        return [_alone(character) for character in word]
    finals = _merged(_SANDHI.modified_tone(word, kind, finals), word, kind)
    return [Syllable(*parts) for parts in zip(initials, finals, strict=True)]


def _alone(character: str) -> Syllable:
    """A character with no neighbours; one without a reading is its own."""
    initial = lazy_pinyin(character, style=Style.INITIALS)[0]
    final = lazy_pinyin(character, neutral_tone_with_five=True, style=Style.FINALS_TONE3)[0]
    return Syllable(initial, final) if final[-1].isdigit() else Syllable(character, character)


def _merged(finals: list[str], word: str, kind: str) -> list[str]:
    """The finals of a word, the last of which has the tone of the one before where it is a suffix."""
    if not word.endswith("儿") or finals[-1] not in ("er1", "er2", "er5"):
        return finals
    last = "er2" if finals[-1] == "er1" else finals[-1]
    kept = word in _KEPT or kind in _KEEPING
    if (word in _LOST or not kept) and word[-2:] not in _KEPT and len(word) > 1:
        last = f"er{finals[-2][-1]}"
    return [*finals[:-1], last]
