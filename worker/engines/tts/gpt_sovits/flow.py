"""The flow of SoVITS, run backwards: from what the text says to what the voice sounds like.

Shapes are [frames, channels]; `voice` is [channels].
"""

import mlx.core as mx
import mlx.nn as nn


class WaveNet(nn.Module):
    """Gated convolutions, each of which hears the voice."""

    def __init__(self, width: int, kernel: int, layers: int, voice: int) -> None:
        super().__init__()
        self._width = width
        self.cond_layer = nn.Linear(voice, 2 * width * layers)
        padding = (kernel - 1) // 2
        self.in_layers = [nn.Conv1d(width, 2 * width, kernel, padding=padding) for _ in range(layers)]
        # The last one makes no input for another.
        self.res_skip_layers = [
            nn.Linear(width, width if layer == layers - 1 else 2 * width) for layer in range(layers)
        ]

    def __call__(self, x: mx.array, voice: mx.array) -> mx.array:
        out = mx.zeros_like(x)
        told = mx.split(self.cond_layer(voice), len(self.in_layers))
        for convolution, rest, hint in zip(self.in_layers, self.res_skip_layers, told, strict=True):
            value, gate = mx.split(convolution(x[None])[0] + hint, 2, axis=-1)
            y = rest(mx.tanh(value) * mx.sigmoid(gate))
            if y.shape[-1] > self._width:
                x = x + y[:, : self._width]
            out = out + y[:, -self._width :]
        return out


class Coupling(nn.Module):
    """Takes from one half of the channels what the other half tells."""

    def __init__(self, channels: int, width: int, kernel: int, layers: int, voice: int) -> None:
        super().__init__()
        self.pre = nn.Linear(channels // 2, width)
        self.enc = WaveNet(width, kernel, layers, voice)
        self.post = nn.Linear(width, channels // 2)

    def back(self, x: mx.array, voice: mx.array) -> mx.array:
        first, second = mx.split(x, 2, axis=-1)
        return mx.concatenate([first, second - self.post(self.enc(self.pre(first), voice))], axis=-1)


class Flow(nn.Module):
    def __init__(
        self, channels: int, width: int, kernel: int, layers: int, voice: int, couplings: int
    ) -> None:
        super().__init__()
        self.flows = [Coupling(channels, width, kernel, layers, voice) for _ in range(couplings)]

    def back(self, x: mx.array, voice: mx.array) -> mx.array:
        for coupling in reversed(self.flows):
            # Channels are turned round after each coupling, so before each on the way back.
            x = coupling.back(x[:, ::-1], voice)
        return x
