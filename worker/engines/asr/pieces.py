"""Long recordings for models of short ones: cuts them where they are quiet, and joins the texts."""

import re
from collections.abc import Generator, Iterator

import numpy as np

from worker.audio import Samples
from worker.engines.asr.transcription import Options, Piece, Recogniser

#: A piece is cut in this last part of it.
_TAIL = 1 / 3
#: Seconds over which loudness is measured for a cut.
_WINDOW = 0.1

#: Scripts without spaces between words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


class Pieces:
    """Makes a Reader of a Recogniser."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.sample_rate = recogniser.sample_rate
        self.memory_bytes = recogniser.memory_bytes
        self._recogniser = recogniser

    def read(self, audio: Iterator[Samples], options: Options) -> "PieceReading":
        return PieceReading(self._recogniser, audio, options)


class PieceReading:
    """A recording, piece by piece. Every piece is read with the request's prompt and language."""

    def __init__(self, recogniser: Recogniser, audio: Iterator[Samples], options: Options) -> None:
        self.done = 0.0
        self.ended = False
        self._recogniser = recogniser
        self._cuts = cut(audio, recogniser.sample_rate, recogniser.piece_seconds)
        self._next = next(self._cuts, None)
        self._options = options
        self._last = ""

    def step(self) -> Piece | None:
        samples = self._next
        if samples is None:
            self.ended = True
            return None
        piece = self._recogniser.recognise(samples, self._options, self.done)
        self.done += len(samples) / self._recogniser.sample_rate
        self._next = next(self._cuts, None)
        self.ended = self._next is None
        text = piece.text.strip()
        space = " " if text and _spaced(self._last, text) else ""
        self._last = text or self._last
        return Piece(space + text, piece.segments, piece.words, piece.language)

    def close(self) -> None:
        self._cuts.close()


def cut(audio: Iterator[Samples], rate: int, longest: float) -> Generator[Samples, None, None]:
    """The samples in pieces of at most `longest` seconds, each but the last ending at a quiet place."""
    size = int(longest * rate)
    held: list[Samples] = []
    count = 0
    for samples in audio:
        held.append(samples)
        count += len(samples)
        while count > size:
            whole = np.concatenate(held)
            place = quietest(whole[:size], rate)
            yield whole[:place]
            held, count = [whole[place:]], count - place
    if count:
        yield np.concatenate(held)


def quietest(samples: Samples, rate: int) -> int:
    """The quietest place in the last part of these samples: the middle of a pause, if there is one."""
    start = int(len(samples) * (1 - _TAIL))
    window = max(1, int(_WINDOW * rate))
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples[start:], dtype=np.float64))])
    if len(energy) <= window:
        return len(samples)
    loudness = energy[window:] - energy[:-window]
    softest = np.flatnonzero(loudness <= loudness.min() + 1e-9)
    # Digital silence is quietest everywhere.
    return start + int(softest[len(softest) // 2]) + window // 2


def _spaced(before: str, after: str) -> bool:
    return bool(before) and not (_UNSPACED.match(before[-1]) or _UNSPACED.match(after[0]))
