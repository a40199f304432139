"""How much memory the weights of loaded models take."""

from typing import Any

import mlx.core as mx
from mlx.utils import tree_reduce


def weight_bytes(*models: Any) -> int:
    """Bytes of all arrays in these modules, or in trees of their parameters."""
    trees = (model.parameters() if hasattr(model, "parameters") else model for model in models)
    return sum(int(tree_reduce(lambda total, array: total + array.nbytes, tree, 0)) for tree in trees)


def load_weights(*models: Any) -> int:
    """Bytes of these modules' arrays, which are in memory afterwards: they may have been mapped only."""
    mx.eval([model.parameters() for model in models])
    return weight_bytes(*models)
