"""Paraformer's features: Kaldi's log-mel filter bank, seven frames side by side, normalised.

As in FunASR's WavFrontend, without dither, but in double precision. This module knows numpy only.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16000
#: Samples of a frame, of the step to the next one, and of its Fourier transform.
FRAME, STEP, FFT = 400, 160, 512
#: Frames that are put side by side, and the step to the next ones: a feature frame each 60 ms.
SIDE_BY_SIDE, STRIDE = 7, 6
#: Seconds from one feature frame to the next.
FEATURE_SECONDS = STRIDE * STEP / SAMPLE_RATE

_LOWEST_HERTZ = 20.0
_PREEMPHASIS = 0.97
#: Kaldi's floor of a filter's energy: what float32 can add to 1.
_FLOOR = float(np.finfo(np.float32).eps)

Floats = npt.NDArray[Any]


class Frontend:
    """Computes features. `shift` and `scale` [width] come from am.mvn."""

    def __init__(self, shift: Floats, scale: Floats) -> None:
        if shift.shape != scale.shape or shift.ndim != 1 or len(shift) % SIDE_BY_SIDE:
            raise ValueError(f"am.mvn must hold two rows of numbers, a multiple of {SIDE_BY_SIDE} in each.")
        self.width = len(shift)
        self._shift, self._scale = shift, scale
        self._filters = mel_filters(self.width // SIDE_BY_SIDE)
        self._window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1))

    def __call__(self, samples: Floats) -> npt.NDArray[np.float32]:
        """Samples between -1 and 1 → features [frames, width]; none for less than 25 ms of audio."""
        frames = side_by_side(self._log_mels(samples))
        return ((frames + self._shift) * self._scale).astype(np.float32)

    def _log_mels(self, samples: Floats) -> Floats:
        if len(samples) < FRAME:
            return np.zeros((0, len(self._filters)))
        scaled = samples.astype(np.float64) * 32768
        frames = np.lib.stride_tricks.sliding_window_view(scaled, FRAME)[::STEP]
        frames = frames - frames.mean(axis=1, keepdims=True)
        # The predecessor of a frame's first sample is that sample itself.
        before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
        spectrum = np.fft.rfft((frames - _PREEMPHASIS * before) * self._window, FFT)
        energies = np.square(np.abs(spectrum)) @ self._filters.T
        return np.log(np.maximum(energies, _FLOOR))


def mel_filters(count: int) -> Floats:
    """Kaldi's filters [count, FFT / 2 + 1]: triangles on the mel scale, from 20 Hz to half of the sample rate."""
    lowest, highest = _mel(np.array([_LOWEST_HERTZ, SAMPLE_RATE / 2]))
    edges = np.linspace(lowest, highest, count + 2)
    left, centre, right = (edges[start : start + count, None] for start in range(3))
    at = _mel(np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT)
    filters: Floats = np.minimum((at - left) / (centre - left), (right - at) / (right - centre))
    return np.maximum(filters, 0)


def side_by_side(frames: Floats) -> Floats:
    """Each sixth frame with three before and three after it ("low frame rate"); the ends are repeated."""
    count = -(-len(frames) // STRIDE)
    wanted = np.arange(count)[:, None] * STRIDE + np.arange(SIDE_BY_SIDE) - SIDE_BY_SIDE // 2
    return frames[np.clip(wanted, 0, len(frames) - 1)].reshape(count, SIDE_BY_SIDE * frames.shape[1])


def read_cmvn(path: Path) -> tuple[Floats, Floats]:
    """Shift and scale [width] of an am.mvn, which is a Kaldi network in text. Raises ValueError for other files."""
    rows: dict[str, Floats] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words and words[0] in ("<AddShift>", "<Rescale>"):
            name = words[0]
        elif name and "[" in words and words[-1] == "]":
            rows[name] = np.array(words[words.index("[") + 1 : -1], dtype=np.float32)
            name = ""
    if len(rows) != 2:
        raise ValueError("am.mvn holds no <AddShift> and <Rescale>.")
    return rows["<AddShift>"], rows["<Rescale>"]


def _mel(hertz: Floats) -> Floats:
    mels: Floats = 1127 * np.log(1 + hertz / 700)
    return mels
