"""misaki's phonemes of English, from what is installed: the library's own fetch what is missing.

Its own also speak words that no dictionary has by eSpeak, whose licence is not ours: here they are spelt.
"""

from typing import Any

import spacy
from misaki import en


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
