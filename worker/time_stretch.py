"""Makes speech faster or slower without changing its pitch, chunk by chunk."""

from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

#: The range of one filter: below it refuses, above it skips samples.
_SLOWEST, _FASTEST = 0.5, 2.0


class TimeStretch:
    """FFmpeg's `atempo` on mono samples at `rate`: `speed` 2 halves their number."""

    def __init__(self, rate: int, speed: float) -> None:
        self._rate = rate
        self._taken = 0
        self._graph: Any = av.filter.Graph()
        layout = f"time_base=1/{rate}:sample_rate={rate}:sample_fmt=flt:channel_layout=mono"
        chain = [self._graph.add("abuffer", layout)]
        chain += [self._graph.add("atempo", f"{factor:.6f}") for factor in _factors(speed)]
        chain += [
            self._graph.add("aformat", "sample_fmts=flt:channel_layouts=mono"),
            self._graph.add("abuffersink"),
        ]
        self._graph.link_nodes(*chain)
        self._graph.configure()

    def stretch(self, samples: Samples) -> Samples:
        """Add these samples. Returns the samples that are ready, possibly none."""
        if not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None, :]), format="flt", layout="mono"
        )
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._taken
        self._taken += len(samples)
        self._graph.push(frame)
        return self._ready()

    def finish(self) -> Samples:
        """Returns the remaining samples."""
        self._graph.push(None)
        return self._ready()

    def _ready(self) -> Samples:
        pieces: list[Samples] = []
        while True:
            try:
                pieces.append(self._graph.pull().to_ndarray()[0])
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(pieces) if pieces else np.empty(0, np.float32)


def _factors(speed: float) -> list[float]:
    """Equal factors within the range of one filter, whose product is `speed`."""
    count = 1
    while not _SLOWEST <= speed ** (1 / count) <= _FASTEST:
        count += 1
    return [speed ** (1 / count)] * count
