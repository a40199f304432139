"""Paraformer's network in MLX: an encoder with memory (SAN-M), weights of the frames, a decoder for all tokens.

After FunASR's SANMEncoder, CifPredictorV2 and ParaformerSANMDecoder. It reads the tensors of a paraformer.safetensors
as they are; all sizes come from their shapes. One recording at a time, in float32.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt

from worker.engines.asr.paraformer.predictor import integrate

Floats = npt.NDArray[Any]
Weights = dict[str, mx.array]

#: The size that no tensor's shape contains.
HEADS = 4
_EPSILON = 1e-12
#: In the file, but used in training only.
_UNUSED = {"decoder.embed.0.weight"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """`kernels` are the lengths of the memories of encoder and decoder, and of the predictor's convolution."""

    features: int
    width: int
    encoder_layers: int
    decoder_layers: int
    encoder_hidden: int
    decoder_hidden: int
    kernels: tuple[int, int, int]
    vocabulary: int

    @classmethod
    def of(cls, weights: Weights) -> "Sizes":
        """Of tensors in the file's own layout. Raises KeyError for a tensor that is missing."""
        return cls(
            features=weights["encoder.encoders0.0.norm1.weight"].shape[0],
            width=weights["encoder.after_norm.weight"].shape[0],
            encoder_layers=_count(weights, "encoder"),
            decoder_layers=_count(weights, "decoder"),
            encoder_hidden=weights["encoder.encoders0.0.ffn.up_proj.weight"].shape[0],
            decoder_hidden=weights["decoder.decoders3.0.ffn.up_proj.weight"].shape[0],
            kernels=(
                weights["encoder.encoders0.0.self_attn.fsmn_block.weight"].shape[2],
                weights["decoder.layers.0.self_attn.fsmn_block.weight"].shape[2],
                weights["predictor.conv.weight"].shape[2],
            ),
            vocabulary=weights["decoder.output_proj.weight"].shape[0],
        )


class Memory(nn.Module):
    """A weighted sum of the frames around each frame, per channel, plus the frame itself (FSMN)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.weight = mx.zeros((width, kernel, 1))

    def __call__(self, x: mx.array) -> mx.array:
        kernel = self.weight.shape[1]
        left = (kernel - 1) // 2
        padded = mx.pad(x, [(0, 0), (left, kernel - 1 - left), (0, 0)])
        # On the CPU a sum of shifted copies takes a fifth of a grouped convolution's time.
        taps = self.weight[:, :, 0].T
        return x + sum(padded[:, i : i + x.shape[1]] * taps[i] for i in range(kernel))


class SelfAttention(nn.Module):
    """Attention with a memory of its values."""

    def __init__(self, features: int, width: int, kernel: int) -> None:
        super().__init__()
        self.linear_q_k_v = nn.Linear(features, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.fsmn_block = Memory(width, kernel)

    def __call__(self, x: mx.array) -> mx.array:
        q, k, v = mx.split(self.linear_q_k_v(x), 3, axis=-1)
        return self.out_proj(_attend(q, k, v)) + self.fsmn_block(v)


class SourceAttention(nn.Module):
    """Attention of the tokens to the encoded audio."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, width)
        self.linear_k_v = nn.Linear(width, 2 * width)
        self.out_proj = nn.Linear(width, width)

    def __call__(self, x: mx.array, encoded: mx.array) -> mx.array:
        k, v = mx.split(self.linear_k_v(encoded), 2, axis=-1)
        return self.out_proj(_attend(self.q_proj(x), k, v))


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up_proj = nn.Linear(width, hidden)
        self.down_proj = nn.Linear(hidden, width)

    def __call__(self, x: mx.array) -> mx.array:
        return self.down_proj(nn.relu(self.up_proj(x)))


class NormedFeedForward(nn.Module):
    """The decoder's feed-forward, whose hidden layer is normalised."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up_proj = nn.Linear(width, hidden)
        self.norm = _norm(hidden)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.down_proj(self.norm(nn.relu(self.up_proj(x))))


class EncoderLayer(nn.Module):
    def __init__(self, features: int, sizes: Sizes) -> None:
        super().__init__()
        self.self_attn = SelfAttention(features, sizes.width, sizes.kernels[0])
        self.ffn = FeedForward(sizes.width, sizes.encoder_hidden)
        self.norm1 = _norm(features)
        self.norm2 = _norm(sizes.width)

    def __call__(self, x: mx.array) -> mx.array:
        attended = self.self_attn(self.norm1(x))
        # The first layer changes the width: no residual is possible.
        x = x + attended if x.shape == attended.shape else attended
        return x + self.ffn(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.encoders0 = [EncoderLayer(sizes.features, sizes)]
        self.layers = [EncoderLayer(sizes.width, sizes) for _ in range(sizes.encoder_layers)]
        self.after_norm = _norm(sizes.width)

    def __call__(self, features: mx.array) -> mx.array:
        width = self.after_norm.weight.shape[0]
        x = features * width**0.5 + mx.array(positions(*features.shape[1:]))
        for layer in [*self.encoders0, *self.layers]:
            x = layer(x)
        return self.after_norm(x)


class Predictor(nn.Module):
    """The share of a token in each frame, in [0, 1]."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        kernel = sizes.kernels[2]
        self.conv = nn.Conv1d(sizes.width, sizes.width, kernel, padding=kernel // 2)
        self.output_proj = nn.Linear(sizes.width, 1)

    def __call__(self, encoded: mx.array) -> mx.array:
        return mx.sigmoid(self.output_proj(nn.relu(self.conv(encoded))))[..., 0]


class DecoderLayer(nn.Module):
    """Here the feed-forward comes first, and only the memory's result has a residual."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.ffn = NormedFeedForward(sizes.width, sizes.decoder_hidden)
        self.self_attn = {"fsmn_block": Memory(sizes.width, sizes.kernels[1])}
        self.src_attn = SourceAttention(sizes.width)
        self.norm1, self.norm2, self.norm3 = (_norm(sizes.width) for _ in range(3))

    def __call__(self, x: mx.array, encoded: mx.array) -> mx.array:
        x = x + self.self_attn["fsmn_block"](self.norm2(self.ffn(self.norm1(x))))
        return x + self.src_attn(self.norm3(x), encoded)


class LastLayer(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1 = _norm(sizes.width)
        self.ffn = NormedFeedForward(sizes.width, sizes.decoder_hidden)

    def __call__(self, x: mx.array) -> mx.array:
        return self.ffn(self.norm1(x))


class Decoder(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = [DecoderLayer(sizes) for _ in range(sizes.decoder_layers)]
        self.decoders3 = [LastLayer(sizes)]
        self.after_norm = _norm(sizes.width)
        self.output_proj = nn.Linear(sizes.width, sizes.vocabulary)

    def __call__(self, x: mx.array, encoded: mx.array) -> mx.array:
        for layer in self.layers:
            x = layer(x, encoded)
        return self.output_proj(self.after_norm(self.decoders3[0](x)))


class Paraformer(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(sizes)
        self.predictor = Predictor(sizes)
        self.decoder = Decoder(sizes)

    def __call__(self, features: Floats) -> tuple[Floats, mx.array]:
        """Features [frames, features] → weights of the frames [frames], log-probabilities [tokens, vocabulary]."""
        encoded = self.encoder(mx.array(features)[None])
        weights = np.array(self.predictor(encoded)[0])
        shares = integrate(weights)
        if not len(shares):
            return weights, mx.zeros((0, self.sizes.vocabulary))
        logits = self.decoder(mx.array(shares.astype(np.float32))[None] @ encoded, encoded)[0]
        return weights, logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def load(path: Path) -> Paraformer:
    """The network of a paraformer.safetensors. Raises ValueError for other models."""
    loaded: Any = mx.load(str(path))
    weights: Weights = loaded
    try:
        sizes = Sizes.of(weights)
    except (KeyError, IndexError) as error:
        raise ValueError(f"paraformer.safetensors is not a Paraformer: {error} is missing.") from error
    if sizes.width % HEADS:
        raise ValueError(f"A Paraformer's width must be a multiple of {HEADS}; this one has {sizes.width}.")
    model = Paraformer(sizes)
    model.load_weights(
        [(_name(name), _ours(name, value)) for name, value in weights.items() if name not in _UNUSED]
    )
    model.eval()
    mx.eval(model.parameters())
    return model


def positions(frames: int, width: int) -> npt.NDArray[np.float32]:
    """Sines and cosines of the frames' numbers, from 1, [frames, width]; in float32, as the model was trained."""
    half = np.float32(width / 2)
    step = np.log(np.float32(10000)) / (half - 1)
    rates = np.exp(np.arange(half, dtype=np.float32) * -step)
    angles = np.arange(1, frames + 1, dtype=np.float32)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _attend(q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    """[1, length, width] each."""
    heads = (mx.unflatten(x, -1, (HEADS, -1)).swapaxes(1, 2) for x in (q, k, v))
    q, k, v = heads
    attended = mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5)
    return mx.flatten(attended.swapaxes(1, 2), -2)


def _norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=_EPSILON)


def _count(weights: Weights, part: str) -> int:
    found = (re.match(rf"{part}\.layers\.(\d+)\.", name) for name in weights)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _name(name: str) -> str:
    return name.replace(".feed_forward.norm.", ".ffn.norm.")


def _ours(name: str, value: mx.array) -> mx.array:
    """Convolutions in MLX' layout; all in single precision, for the norms' epsilon is nothing in half."""
    if name.endswith(("fsmn_block.weight", "conv.weight")):
        value = value.swapaxes(1, 2)
    return value.astype(mx.float32)
