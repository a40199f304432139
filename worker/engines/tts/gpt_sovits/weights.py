"""Weights of GPT-SoVITS as they lie in files, given to modules of MLX by the names of their parameters.

This module knows how torch lays out convolutions and weight normalisation. It does not know the networks.
"""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

Weights = dict[str, mx.array]

#: Names of the length and the direction of a normalised weight, in torch's old and new form.
_NORMALISED = (
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)


def read(file: Path) -> Weights:
    """The tensors of a file, in single precision where they are of half."""
    loaded: Any = mx.load(str(file))
    return {
        name: value.astype(mx.float32) if mx.issubdtype(value.dtype, mx.floating) else value
        for name, value in loaded.items()
    }


def folded(weights: Weights) -> Weights:
    """The weights with each normalised one as one tensor."""
    plain = dict(weights)
    for length_suffix, direction_suffix in _NORMALISED:
        for name in [name for name in plain if name.endswith(length_suffix)]:
            base = name.removesuffix(length_suffix)
            length, direction = plain.pop(name), plain.pop(base + direction_suffix)
            axes = [axis for axis, size in enumerate(length.shape) if size == 1]
            norm = mx.sqrt(mx.sum(mx.square(direction), axis=axes, keepdims=True))
            plain[f"{base}.weight"] = direction * (length / norm)
    return plain


def fill(module: nn.Module, weights: Weights) -> None:
    """Give a module its weights; others are ignored. Raises ValueError for what is missing or has another shape."""
    kinds = {f"{name}.weight": type(inner) for name, inner in module.named_modules()}
    fitted = []
    parameters: Any = tree_flatten(module.parameters())
    for name, parameter in parameters:
        if name not in weights:
            raise ValueError(f"'{name}' is missing in its weights")
        value = _turned(weights[name], kinds.get(name))
        if value.shape != parameter.shape:
            raise ValueError(f"'{name}' has the shape {value.shape}, not {parameter.shape}")
        fitted.append((name, value))
    module.load_weights(fitted)
    module.eval()


def _turned(value: mx.array, kind: type | None) -> mx.array:
    """A weight in MLX's layout: channels are last."""
    if value.ndim != 3 or kind is None:
        return value
    if issubclass(kind, nn.Conv1d):
        return value.swapaxes(1, 2)
    if issubclass(kind, nn.ConvTranspose1d):
        return value.transpose(1, 2, 0)
    # A convolution over one frame.
    return value[..., 0] if issubclass(kind, nn.Linear) else value


def count(weights: Weights, prefix: str) -> int:
    """The number of layers whose names begin so."""
    names = (name.removeprefix(prefix) for name in weights if name.startswith(prefix))
    return len({rest.partition(".")[0] for rest in names})
