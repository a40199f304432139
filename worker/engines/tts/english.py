"""misaki's phonemes of English, from what is installed: the library's own fetch what is missing.

Its own also speak words that no dictionary has by eSpeak, whose licence is not ours: here they are spelt.
"""

import re
from typing import Any

import spacy
from misaki import en

#: Times of day, and decimals that end in zeros: misaki says nothing or only the beginning of them.
_TIME = re.compile(r"(?<![\d:])(\d{1,2}):([0-5])(\d)(?![\d:])")
_ZEROS = re.compile(r"(?<![\d.$£€])(\d+)\.(0+)(?!\.?\d)")


def tagger(name: str) -> Any:
    """spaCy's model of that name, as far as it is needed."""
    return spacy.load(name, enable=["tok2vec", "tagger"])


class EnglishPhonemes(en.G2P):
    def __init__(self, language: Any, *, british: bool) -> None:
        """`language` is a `tagger`."""
        self.version, self.british, self.unk = None, british, ""
        self.nlp = language
        self.lexicon = en.Lexicon(british)
        self.fallback = lambda token: self.lexicon.get_NNP(token.text)

    def __call__(self, text: str, preprocess: Any = True) -> Any:
        text = _ZEROS.sub(lambda found: f"{found[1]} point {' '.join(found[2])}", text)
        return super().__call__(_TIME.sub(_time, text), preprocess)


def _time(found: re.Match[str]) -> str:
    hour, tens, minute = found.groups()
    if tens == "0":
        return f"{hour} o'clock" if minute == "0" else f"{hour} oh {minute}"
    return f"{hour} {tens}{minute}"
