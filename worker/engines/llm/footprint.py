"""How much memory the key-value cache of a model takes, measured at the caches that the model itself fills.

A layer of plain attention grows with each token, a sliding window up to its length, and the state of a recurrent
layer not at all; quantised keys and values, and those of latent attention, count as they are. This module knows
models and tokens. It does not know requests.
"""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache

from worker.engines.llm.prompt_cache.layers import leaves

#: Caches of mlx-lm grow by so many tokens.
_STEP = 256


@dataclass(frozen=True, slots=True)
class Footprint:
    """`per_token`: bytes of layers that grow with each token. `windows`: (bytes per token, most tokens) of others.

    `constant`: bytes of those that do not grow.
    """

    per_token: int = 0
    windows: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    def bytes(self, tokens: int) -> int:
        """Bytes of one sequence of so many tokens."""
        grown = -(-tokens // _STEP) * _STEP
        windows = sum(each * min(grown, most) for each, most in self.windows)
        return self.constant + windows + self.per_token * grown

    def most_tokens(self, memory: int) -> int | None:
        """How many tokens so many bytes hold. None: any number."""
        if not self.per_token:
            return None
        fixed = self.constant + sum(each * most for each, most in self.windows)
        return max(0, memory - fixed) // (self.per_token * _STEP) * _STEP


def measure(model: Any) -> Footprint:
    """Have the model read one token. It belongs to this thread."""
    layers = make_prompt_cache(model)
    model(mx.array([[0]]), cache=layers)
    per_token, windows, constant = 0, [], 0
    for leaf in leaves(layers):
        found: Any = tree_flatten(leaf.state)
        arrays = [array for _, array in found if isinstance(array, mx.array)]
        mx.eval(arrays)
        if not hasattr(leaf, "offset"):
            constant += sum(array.nbytes for array in arrays)
            continue
        # (batch, heads, tokens, size): a cache may have room for more tokens than it holds.
        size = sum(array.nbytes // array.shape[-2] for array in arrays if array.ndim == 4)
        window = getattr(leaf, "max_size", None) or getattr(leaf, "chunk_size", None)
        if isinstance(window, int):
            windows.append((size, window))
        else:
            per_token += size
    return Footprint(per_token, tuple(windows), constant)
