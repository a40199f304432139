"""The generator of SoVITS: a HiFi-GAN that makes samples of frames. Shapes are [1, time, channels]."""

import mlx.core as mx
import mlx.nn as nn

from worker.engines.tts.gpt_sovits.convolutions import DilatedConv, Upsampling

#: Slopes of leaky activations: within the network, and before its last convolution.
_SLOPE, _LAST_SLOPE = 0.1, 0.01
#: Distances of the samples that the convolutions of a residual block hear.
DILATIONS = (1, 3, 5)


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.convs1 = [DilatedConv(channels, kernel, step) for step in DILATIONS]
        self.convs2 = [DilatedConv(channels, kernel, 1) for _ in DILATIONS]

    def __call__(self, x: mx.array) -> mx.array:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            y = first(nn.leaky_relu(x, _SLOPE))
            x = x + second(nn.leaky_relu(y, _SLOPE))
        return x


class Generator(nn.Module):
    def __init__(
        self,
        inputs: int,
        channels: int,
        rates: tuple[int, ...],
        kernels: tuple[int, ...],
        block_kernels: tuple[int, ...],
        voice: int,
    ) -> None:
        """`channels` are those before the first of the upsamplings, each of which halves them."""
        super().__init__()
        self._blocks = len(block_kernels)
        self.conv_pre = nn.Conv1d(inputs, channels, 7, padding=3)
        self.cond = nn.Linear(voice, channels)
        self.ups = []
        self.resblocks = []
        for rate, kernel in zip(rates, kernels, strict=True):
            half = channels // 2
            self.ups.append(Upsampling(channels, half, kernel, rate))
            self.resblocks += [ResidualBlock(half, each) for each in block_kernels]
            channels = half
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=False)

    def __call__(self, x: mx.array, voice: mx.array) -> mx.array:
        """Frames [n, inputs] → samples."""
        x = self.conv_pre(x[None]) + self.cond(voice)
        for number, up in enumerate(self.ups):
            x = up(nn.leaky_relu(x, _SLOPE))
            blocks = self.resblocks[number * self._blocks : (number + 1) * self._blocks]
            x = mx.mean(mx.stack([block(x) for block in blocks]), axis=0)
        return mx.tanh(self.conv_post(nn.leaky_relu(x, _LAST_SLOPE))).reshape(-1)
