"""NVIDIA's Parakeet on mlx-audio: fast, with a time for every token. It takes neither language nor prompt."""

from pathlib import Path
from typing import Any

import mlx.core as mx

from worker.audio import Samples
from worker.engines.asr.shared import check, load_stt
from worker.engines.asr.transcription import Options, Piece, Segment, Word
from worker.engines.weights import weight_bytes


class Parakeet:
    piece_seconds = 30.0

    def __init__(self, model: Any) -> None:
        self._model = model
        self.sample_rate = int(model.preprocessor_config.sample_rate)
        self.memory_bytes = weight_bytes(model)

    def recognise(self, audio: Samples, options: Options, offset: float) -> Piece:
        check(options, words=True)
        end = len(audio) / self.sample_rate
        said = self._model.generate(mx.array(audio))
        segments, words = [], []
        for sentence in said.sentences:
            text = sentence.text.strip()
            if text:
                segments.append(
                    Segment(offset + min(sentence.start, end), offset + min(sentence.end, end), text)
                )
            if options.words:
                words += _words(sentence.tokens, offset, end)
        return Piece(said.text.strip(), segments, words)


def _words(tokens: list[Any], offset: float, end: float) -> list[Word]:
    """A word begins where a token begins with a space. No time is after the piece's `end`."""
    groups: list[list[Any]] = []
    for token in tokens:
        if not groups or token.text.startswith(" "):
            groups.append([])
        groups[-1].append(token)
    words = []
    for group in groups:
        text = "".join(token.text for token in group).strip()
        if text:
            start, stop = min(group[0].start, end), min(group[-1].end, end)
            words.append(Word(text, offset + start, offset + max(start, stop)))
    return words


def load(path: Path) -> Parakeet:
    return Parakeet(load_stt(path, "parakeet"))
