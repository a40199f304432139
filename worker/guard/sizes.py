"""Checks that a model's weights are whole, and that the sizes in its configuration fit them.

Libraries build a network from config.json before they read its weights: a million layers would take all memory. The
headers of safetensors tell the number of tensors and their shapes. This module knows names of sizes. It does not know
families of models.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.model_config import config_in
from mlxq.catalog.size import header_of, weight_files

#: Words in keys that count layers: each layer has at least one tensor.
_LAYERS = ("layer", "depth", "block", "stage")
#: Words in keys that count things with a tensor of their own, or a place in one.
_PARTS = ("head", "expert", "codebooks", "quantizers", "groups", "levels")
#: Words in keys of a side of some tensor, or a small multiple of one.
_SIDES = (
    "hidden",
    "_size",
    "_dim",
    "d_model",
    "n_embd",
    "width",
    "channels",
    "vocab",
    "features",
    "rank",
    "n_mels",
)
#: Words in keys of sizes of inputs, windows and tables of positions, but not of weights.
_OTHERS = (
    "position",
    "image_size",
    "img_size",
    "block_size",
    "batch",
    "buffer",
    "chunk",
    "kernel",
    "sample",
    "window",
)
#: Numbers up to these are accepted: they take little memory, and some parts have no weights.
_FEW_LAYERS, _FEW_PARTS, _SHORT = 1024, 4096, 32_768
#: Ratio of a size to the longest side that is accepted: weights may be packed, and fused layers are split.
_TIMES = 8
#: The longest known tables have 10 million positions.
_MOST_POSITIONS = 1 << 27


def check_sizes(ref: ModelRef) -> None:
    """Raises InvalidRequest for a model whose weights are not whole, or whose configuration does not fit them."""
    assert ref.path is not None
    for file in weight_files(ref.path):
        if not header_of(file).whole:
            raise _unfit(
                ref, f"its file '{file.relative_to(ref.path)}' is broken or not whole: download it again"
            )
    for folder in (ref.path, *_parts(ref.path)):
        config = config_in(folder)
        headers = [header_of(file) for file in (weight_files(folder) or weight_files(ref.path))]
        if not config or not headers or not all(header.tensors for header in headers):
            continue
        tensors = sum(header.tensors for header in headers)
        longest = max(header.longest for header in headers)
        for name, value in _whole_numbers(config):
            if value > _most(name.lower(), tensors, longest):
                raise _unfit(
                    ref,
                    f"its config.json says {name[:64]}={value:.6g}, and its weights are {tensors} tensors with sides "
                    f"of up to {longest}",
                )


def _unfit(ref: ModelRef, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The model '{ref.base_id}' can't be used: {why}.", param="model", code="unsupported_model"
    )


def _most(name: str, tensors: int, longest: int) -> float:
    """The largest accepted number of this key."""
    if any(word in name for word in _OTHERS):
        return _MOST_POSITIONS
    if any(word in name for word in _LAYERS):
        return max(_FEW_LAYERS, tensors)
    if any(word in name for word in _PARTS):
        return max(_FEW_PARTS, tensors)
    if any(word in name for word in _SIDES):
        return max(_SHORT, longest * _TIMES)
    return math.inf


def _parts(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if (entry / "config.json").is_file()]
    except OSError:
        return []


def _whole_numbers(config: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a configuration, with its key."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _whole_numbers(value, name)
    elif isinstance(config, list):
        for value in config:
            yield from _whole_numbers(value, key)
    elif isinstance(config, int | float) and not isinstance(config, bool):
        yield key, config
