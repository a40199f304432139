"""The voice of a recording as one vector: SoVITS' encoder of spectrograms, and the spectrogram that it takes."""

import math

import mlx.core as mx
import mlx.nn as nn

#: Samples a second of what is spoken, and the windows of spectrograms.
RATE, _WINDOW, _HOP = 32_000, 2048, 640
#: Added to squares, so that silence has a root.
_FLOOR = 1e-8


def spectrogram(samples: mx.array) -> mx.array:
    """Samples [n] at 32 kHz → magnitudes [frames, bins]. Samples beyond 1 make all of them smaller, up to half."""
    samples = samples / mx.clip(mx.max(mx.abs(samples)), 1, 2)
    edge = (_WINDOW - _HOP) // 2
    samples = mx.concatenate([samples[edge:0:-1], samples, samples[-2 : -edge - 2 : -1]])
    frames = mx.as_strided(samples, ((len(samples) - _WINDOW) // _HOP + 1, _WINDOW), (_HOP, 1))
    window = 0.5 - 0.5 * mx.cos(2 * math.pi * mx.arange(_WINDOW) / _WINDOW)
    spectrum = mx.fft.rfft(frames * window)
    return mx.sqrt(mx.square(mx.real(spectrum)) + mx.square(mx.imag(spectrum)) + _FLOOR)


class GatedConv(nn.Module):
    """A convolution over neighbouring frames, half of which opens the other half."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, 2 * width, kernel, padding=(kernel - 1) // 2)

    def __call__(self, x: mx.array) -> mx.array:
        value, gate = mx.split(self.conv(x[None])[0], 2, axis=-1)
        return x + value * mx.sigmoid(gate)


class SelfAttention(nn.Module):
    """Attention whose scores are divided by the root of the whole width, not of a head's."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self._heads = heads
        self.w_qs, self.w_ks, self.w_vs, self.fc = (nn.Linear(width, width) for _ in range(4))

    def __call__(self, x: mx.array) -> mx.array:
        frames, width = x.shape
        q, k, v = (
            layer(x).reshape(frames, self._heads, -1).swapaxes(0, 1)
            for layer in (self.w_qs, self.w_ks, self.w_vs)
        )
        told = mx.softmax(q @ k.swapaxes(1, 2) / math.sqrt(width), axis=-1) @ v
        return x + self.fc(told.swapaxes(0, 1).reshape(frames, width))


class StyleEncoder(nn.Module):
    """`MelStyleEncoder` of the original."""

    def __init__(self, bins: int, width: int, out: int, kernel: int) -> None:
        super().__init__()
        self.bins = bins
        self.spectral = [nn.Linear(bins, width), nn.Linear(width, width)]
        self.temporal = [GatedConv(width, kernel) for _ in range(2)]
        self.slf_attn = SelfAttention(width)
        self.fc = nn.Linear(width, out)

    def __call__(self, magnitudes: mx.array) -> mx.array:
        """[frames, bins or more] → [out]."""
        x = magnitudes[:, : self.bins]
        for layer in self.spectral:
            x = nn.mish(layer(x))
        for convolution in self.temporal:
            x = convolution(x)
        return mx.mean(self.fc(self.slf_attn(x)), axis=0)
