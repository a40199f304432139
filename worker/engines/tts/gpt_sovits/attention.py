"""The encoders of SoVITS: transformers over frames or phonemes, whose attention knows how far apart places are.

Shapes are [frames, width] everywhere: there is one sequence at a time.
"""

import math

import mlx.core as mx
import mlx.nn as nn


class Attention(nn.Module):
    """Attention with embeddings of distances up to `window`; without them, if it is 0."""

    def __init__(self, width: int, heads: int, window: int = 0) -> None:
        super().__init__()
        self._heads, self._window = heads, window
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (nn.Linear(width, width) for _ in range(4))
        if window:
            shape = (1, 2 * window + 1, width // heads)
            self.emb_rel_k, self.emb_rel_v = mx.zeros(shape), mx.zeros(shape)

    def __call__(self, x: mx.array, source: mx.array) -> mx.array:
        q, k, v = (self._split(part) for part in (self.conv_q(x), self.conv_k(source), self.conv_v(source)))
        q = q / math.sqrt(q.shape[-1])
        scores = q @ k.swapaxes(1, 2)
        if not self._window:
            return self._joined(mx.softmax(scores, axis=-1) @ v)
        # The distance of each pair of places, counted from the farthest before.
        places = mx.arange(x.shape[0])
        distance = places[None, :] - places[:, None] + self._window
        near = (distance >= 0) & (distance <= 2 * self._window)
        known = mx.clip(distance, 0, 2 * self._window)
        by_distance = q @ self.emb_rel_k.swapaxes(1, 2)
        index = mx.broadcast_to(known[None], scores.shape)
        scores = scores + mx.where(near, mx.take_along_axis(by_distance, index, axis=-1), 0)
        weights = mx.softmax(scores, axis=-1)
        others = places[:, None] + mx.arange(-self._window, self._window + 1)[None, :]
        inside = (others >= 0) & (others < x.shape[0])
        index = mx.broadcast_to(mx.clip(others, 0, x.shape[0] - 1)[None], by_distance.shape)
        near_weights = mx.where(inside, mx.take_along_axis(weights, index, axis=-1), 0)
        return self._joined(weights @ v + near_weights @ self.emb_rel_v)

    def _split(self, x: mx.array) -> mx.array:
        """[frames, width] → [heads, frames, width of a head]."""
        return x.reshape(x.shape[0], self._heads, -1).swapaxes(0, 1)

    def _joined(self, x: mx.array) -> mx.array:
        return self.conv_o(x.swapaxes(0, 1).reshape(x.shape[1], -1))


class FeedForward(nn.Module):
    """Two convolutions over neighbouring frames."""

    def __init__(self, width: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self._padding = ((kernel - 1) // 2, kernel // 2)
        self.conv_1 = nn.Conv1d(width, hidden, kernel)
        self.conv_2 = nn.Conv1d(hidden, width, kernel)

    def __call__(self, x: mx.array) -> mx.array:
        x = nn.relu(self.conv_1(mx.pad(x[None], [(0, 0), self._padding, (0, 0)])))
        return self.conv_2(mx.pad(x, [(0, 0), self._padding, (0, 0)]))[0]


class Encoder(nn.Module):
    """Layers of attention and convolutions, normalised after each."""

    def __init__(self, width: int, hidden: int, heads: int, layers: int, kernel: int, window: int) -> None:
        super().__init__()
        self.attn_layers = [Attention(width, heads, window) for _ in range(layers)]
        self.norm_layers_1 = [nn.LayerNorm(width) for _ in range(layers)]
        self.ffn_layers = [FeedForward(width, hidden, kernel) for _ in range(layers)]
        self.norm_layers_2 = [nn.LayerNorm(width) for _ in range(layers)]

    def __call__(self, x: mx.array) -> mx.array:
        for attention, first, feed_forward, second in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = first(x + attention(x, x))
            x = second(x + feed_forward(x))
        return x
