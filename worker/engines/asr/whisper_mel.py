"""The log-mel spectrogram of a recording of any length, equal to mlx_whisper.audio.log_mel_spectrogram of the whole.

Its values depend on the overall maximum, which is known only at the end: until then it is kept in an unnamed file.
"""

import tempfile

import mlx.core as mx
import numpy as np
from mlx_whisper.audio import HOP_LENGTH, N_FFT, N_FRAMES, hanning, mel_filters

from worker.audio import Samples

#: Frames that are computed together.
_BLOCK = 3000
#: log10 of the level of silence.
_FLOOR = -10.0


class Spectrogram:
    """`write` samples, `finish`, then read `frames`. `length`: how many frames of 10 ms there are."""

    def __init__(self, mels: int) -> None:
        self.length = 0
        self._mels = mels
        self._filters = mel_filters(mels).T
        self._window = hanning(N_FFT)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as this does
        self._written = 0
        self._loudest = _FLOOR
        self._samples = 0
        #: samples whose frames are not written yet, and the earlier samples that those frames include
        self._held = np.zeros(0, np.float32)
        self._begun = False

    def write(self, samples: Samples) -> None:
        self._samples += len(samples)
        self._held = np.concatenate([self._held, samples])
        self._begin()
        while self._begun and len(self._held) >= (_BLOCK - 1) * HOP_LENGTH + N_FFT:
            self._compute(_BLOCK)

    def finish(self) -> None:
        """Pad the samples with silence, and compute the last frames."""
        self.length = self._samples // HOP_LENGTH
        self._held = np.concatenate([self._held, np.zeros(2 * N_FFT, np.float32)])
        self._begin()
        last = self.length + 1 + N_FFT // HOP_LENGTH // 2
        while (missing := last - self._written) > 0:
            self._compute(min(missing, _BLOCK, (len(self._held) - N_FFT) // HOP_LENGTH + 1))

    def frames(self, start: int, count: int) -> mx.array:
        """[count, mels]; silence after the end."""
        self._file.seek(4 * self._mels * start)
        data = self._file.read(4 * self._mels * count)
        frames = np.full((count, self._mels), _FLOOR, np.float32)
        read = np.frombuffer(data, np.float32).reshape(-1, self._mels)
        frames[: len(read)] = read
        logs = mx.maximum(mx.array(frames), self._loudest - 8.0)
        return (logs + 4.0) / 4.0

    def close(self) -> None:
        self._file.close()

    def _begin(self) -> None:
        """The first frame is centred on the first sample: the samples before it mirror those after it."""
        half = N_FFT // 2
        if not self._begun and len(self._held) > half:
            self._held = np.concatenate([self._held[half:0:-1], self._held])
            self._begun = True

    def _compute(self, count: int) -> None:
        samples = mx.array(self._held[: (count - 1) * HOP_LENGTH + N_FFT])
        pieces = mx.as_strided(samples, shape=[count, N_FFT], strides=[HOP_LENGTH, 1])
        power = mx.fft.rfft(pieces * self._window).abs().square() @ self._filters
        logs = np.array(mx.maximum(power, 1e-10).log10())
        self._loudest = max(self._loudest, float(logs.max()))
        self._file.seek(0, 2)
        self._file.write(logs.tobytes())
        self._written += count
        self._held = self._held[count * HOP_LENGTH :]


def padded(frames: mx.array) -> mx.array:
    """Pad to the number of frames of a window."""
    return mx.pad(frames, [(0, N_FRAMES - frames.shape[0]), (0, 0)])
