"""Convolutions over distant samples and those that make more samples, as convolutions and products of neighbours.

MLX runs its own in a plain loop on a CPU, which took most of the time of a sentence. Shapes are [1, time, channels].
"""

import mlx.core as mx
import mlx.nn as nn


class DilatedConv(nn.Conv1d):
    """A convolution that keeps the length and reads every `dilation`-th sample."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__(channels, channels, kernel, padding=(kernel - 1) // 2)
        self._apart = dilation

    def __call__(self, x: mx.array) -> mx.array:
        length, channels = x.shape[1:]
        # Samples that read each other are neighbours in one of `dilation` sequences.
        x = mx.pad(x, [(0, 0), (0, -length % self._apart), (0, 0)])
        sequences = x.reshape(-1, self._apart, channels).swapaxes(0, 1)
        return super().__call__(sequences).swapaxes(0, 1).reshape(1, -1, channels)[:, :length]


class Upsampling(nn.ConvTranspose1d):
    """A transposed convolution whose length is `rate` times that of its input."""

    def __init__(self, inputs: int, outputs: int, kernel: int, rate: int) -> None:
        super().__init__(inputs, outputs, kernel, stride=rate, padding=(kernel - rate) // 2)

    def __call__(self, x: mx.array) -> mx.array:
        outputs, kernel, inputs = self.weight.shape
        length, rate = x.shape[1], self.stride
        parts = -(-kernel // rate)
        weight = mx.pad(self.weight, [(0, 0), (0, parts * rate - kernel), (0, 0)])
        # What each sample adds to `parts` frames of `rate` samples, from its own frame on.
        added = x[0] @ weight.transpose(2, 1, 0).reshape(inputs, -1)
        frames = [
            mx.pad(frame, [(part, parts - 1 - part), (0, 0)])
            for part, frame in enumerate(mx.split(added, parts, axis=-1))
        ]
        samples = mx.sum(mx.stack(frames), axis=0).reshape(1, -1, outputs)
        end = (length - 1) * rate + kernel - self.padding
        return samples[:, self.padding : end] + self.bias
