"""Whisper in torch, with mlx-whisper's names, for training only.

The encoder gets only some of its 1,500 frames: in a short clip most are empty and alike, so a few of them stand for
all, with the logarithm of how many as a bias in the attention. The result is nearly that of the whole window.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tiny_whisper.vocabulary import VOCABULARY_SIZE


@dataclass(frozen=True)
class Shape:
    """mlx_whisper.whisper.ModelDimensions."""

    n_mels: int = 80
    n_audio_ctx: int = 1500
    n_audio_state: int = 64
    n_audio_head: int = 4
    n_audio_layer: int = 4
    n_vocab: int = VOCABULARY_SIZE
    n_text_ctx: int = 448
    n_text_state: int = 64
    n_text_head: int = 4
    n_text_layer: int = 2

    def config(self) -> dict[str, object]:
        """config.json, but for the quantisation."""
        return {"model_type": "whisper", **asdict(self)}


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's positions, (length, channels): sines, then cosines, of falling frequency."""
    rates = torch.exp(-math.log(10_000) / (channels // 2 - 1) * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """`bias` is added to the scores, and broadcast to (batch, heads, queries, keys); None is causal."""
        source = x if memory is None else memory
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(x), self.key(source), self.value(source))
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None)
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def look_near(self, step: int) -> None:
        """Starts the heads at looking at the frames around each frame: -2, -1, 1 and 2 steps away.

        Scores of sine positions against rotated ones peak at the rotation's distance. Learning that from nothing
        takes longer than all the rest.
        """
        width = self.query.in_features
        half, rows = width // 2, width // self.heads
        rates = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
        with torch.no_grad():
            for head, distance in enumerate((-2, -1, 1, 2)):
                for pair in range(rows // 2):
                    rate, sine = float(rates[pair + 1]) * step * distance, head * rows + 2 * pair
                    self.query.weight[sine : sine + 2] *= 0.1
                    self.key.weight[sine : sine + 2] *= 0.1
                    self.query.weight[sine, pair + 1] = self.query.weight[sine + 1, half + pair + 1] = 1.3
                    self.key.weight[sine, pair + 1] = self.key.weight[sine + 1, half + pair + 1] = (
                        1.3 * math.cos(rate)
                    )
                    self.key.weight[sine, half + pair + 1] = 1.3 * math.sin(rate)
                    self.key.weight[sine + 1, pair + 1] = -1.3 * math.sin(rate)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, cross: bool = False) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        self.cross_attn = Attention(width, heads) if cross else None
        self.cross_attn_ln = nn.LayerNorm(width) if cross else None
        self.mlp1 = nn.Linear(width, 4 * width)
        self.mlp2 = nn.Linear(4 * width, width)
        self.mlp_ln = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, bias: Tensor | None, memory: Tensor | None = None, heard: Tensor | None = None
    ) -> Tensor:
        x = x + self.attn(self.attn_ln(x), bias=bias)
        if self.cross_attn is not None and self.cross_attn_ln is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), memory, heard)
        return x + self.mlp2(functional.gelu(self.mlp1(self.mlp_ln(x))))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.n_audio_state
        self.conv1 = nn.Linear(3 * shape.n_mels, width)
        self.conv2 = nn.Linear(3 * width, width)
        self.blocks = nn.ModuleList(Block(width, shape.n_audio_head) for _ in range(shape.n_audio_layer))
        self.ln_post = nn.LayerNorm(width)
        self.register_buffer("positions", sinusoids(shape.n_audio_ctx, width), persistent=False)
        self.blocks[0].attn.look_near(3)
        self.blocks[1].attn.look_near(8)

    def forward(self, mel: Tensor, places: Tensor, bias: Tensor) -> Tensor:
        """(batch, frames, 5, 80) mel frames around each kept frame, the frames' numbers, their bias: states."""
        taps = torch.stack([mel[:, :, i : i + 3].flatten(2) for i in range(3)], dim=2)
        x = functional.gelu(self.conv1(taps))
        # The second convolution pads with zeros, not with the first one of zeros.
        x = torch.cat([x[:, :, :1] * (places > 0)[:, :, None, None], x[:, :, 1:]], dim=2)
        x = functional.gelu(self.conv2(x.flatten(2))) + self.positions[places]
        for block in self.blocks:
            x = block(x, bias)
        return self.ln_post(x)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    def __init__(self, shape: Shape, rows: int) -> None:
        super().__init__()
        width = shape.n_text_state
        self.token_embedding = nn.Embedding(rows, width)
        self.positional_embedding = nn.Parameter(0.3 * sinusoids(shape.n_text_ctx, width))
        self.blocks = nn.ModuleList(Block(width, shape.n_text_head, True) for _ in range(shape.n_text_layer))
        self.ln = nn.LayerNorm(width)
        nn.init.normal_(self.token_embedding.weight, std=0.3)

    def forward(self, rows: Tensor, memory: Tensor, heard: Tensor) -> Tensor:
        x = self.token_embedding(rows) + self.positional_embedding[: rows.shape[1]]
        for block in self.blocks:
            x = block(x, None, memory, heard)
        return self.ln(x)  # type: ignore[no-any-return]


class Network(nn.Module):
    """The two halves, and a head on the encoder that serves the training only."""

    def __init__(self, shape: Shape, rows: int, others: int, words: int) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape, rows)
        self.speller = nn.Linear(shape.n_audio_state, words + 1)
        weight = torch.zeros(rows)
        weight[-1] = math.log(others)
        self.register_buffer("weight", weight, persistent=False)

    def place_timestamps(self, rows: slice, step: int) -> None:
        """Starts the rows of timestamps, `step` frames apart, as the encoder's positions: what is heard says when."""
        with torch.no_grad():
            self.decoder.token_embedding.weight[rows] = 0.5 * sinusoids(1501, self.shape.n_text_state)[::step]

    def logits(self, states: Tensor) -> Tensor:
        """Of the used tokens; the last stands for all others together."""
        return states @ self.decoder.token_embedding.weight.T + self.weight
