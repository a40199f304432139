"""Paraformer as a recogniser: Mandarin and English. It takes neither language nor prompt.

Its text has no punctuation, and its times are coarse.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import InvalidRequest
from worker.audio import Samples
from worker.engines.asr.paraformer import model as network
from worker.engines.asr.paraformer.frontend import SAMPLE_RATE, Frontend, read_cmvn
from worker.engines.asr.paraformer.predictor import times
from worker.engines.asr.paraformer.text import SILENT, Spoken, join, words
from worker.engines.asr.transcription import Options, Piece, Segment, Word
from worker.engines.weights import weight_bytes

#: Ids of blank, begin and end, whatever tokens.txt calls them.
_MARKS = frozenset({0, 1, 2})
_CHINESE = re.compile(r"[\u4e00-\u9fff]")

_Span = tuple[float, float]


class Paraformer:
    sample_rate = SAMPLE_RATE
    piece_seconds = 20.0

    def __init__(self, model: network.Paraformer, frontend: Frontend, tokens: Sequence[str]) -> None:
        self.memory_bytes = weight_bytes(model)
        self._model = model
        self._frontend = frontend
        self._tokens = tokens

    def recognise(self, audio: Samples, options: Options, offset: float) -> Piece:
        if options.translate:
            raise InvalidRequest("This model does not translate.", param="model", code="unsupported_value")
        features = self._frontend(audio)
        if not len(features):
            return Piece("")
        weights, logprobs = self._model(features)
        scores = np.array(logprobs)
        ids = scores.argmax(axis=-1)
        said = [n for n, id_ in enumerate(ids) if id_ not in _MARKS and self._tokens[id_] not in SILENT]
        ids, scores = ids[said], scores[said].max(axis=-1)
        spans = times(weights, len(audio) / SAMPLE_RATE)
        spans = [(offset + spans[n][0], offset + spans[n][1]) for n in said]
        spoken = words([self._tokens[id_] for id_ in ids])
        return Piece(
            join(spoken),
            [_segment(part, ids, scores, spans) for part in _parts(spoken, spans)],
            [Word(word.text, spans[word.first][0], spans[word.last][1]) for word in spoken]
            if options.words
            else [],
            _language(spoken),
        )


def _parts(spoken: Sequence[Spoken], spans: Sequence[_Span]) -> list[list[Spoken]]:
    """The words between two pauses: where a word does not end as the next one begins."""
    part = 0
    parts = []
    for number, word in enumerate(spoken):
        part += number > 0 and spans[spoken[number - 1].last][1] < spans[word.first][0]
        parts.append((part, word))
    return [[word for _, word in group] for _, group in groupby(parts, key=lambda each: each[0])]


def _segment(
    part: Sequence[Spoken], ids: npt.NDArray[Any], scores: npt.NDArray[Any], spans: Sequence[_Span]
) -> Segment:
    tokens = slice(part[0].first, part[-1].last + 1)
    return Segment(
        start=spans[part[0].first][0],
        end=spans[part[-1].last][1],
        text=join(part),
        tokens=[int(id_) for id_ in ids[tokens]],
        avg_logprob=float(scores[tokens].mean()),
    )


def _language(spoken: Sequence[Spoken]) -> str | None:
    if not spoken:
        return None
    return "zh" if any(_CHINESE.search(word.text) for word in spoken) else "en"


def load(path: Path) -> Paraformer:
    """The model in this folder: paraformer.safetensors, am.mvn and tokens.txt. Raises ValueError for odd files."""
    model = network.load(path / "paraformer.safetensors")
    frontend = Frontend(*read_cmvn(path / "am.mvn"))
    tokens = (path / "tokens.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    sizes = model.sizes
    if frontend.width != sizes.features or len(tokens) < sizes.vocabulary:
        raise ValueError(
            f"paraformer.safetensors wants {sizes.features} numbers in am.mvn and {sizes.vocabulary} tokens in "
            f"tokens.txt; there are {frontend.width} and {len(tokens)}."
        )
    return Paraformer(model, frontend, [token.strip() for token in tokens])
