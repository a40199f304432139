"""What models of the hub take in memory.

The hub tells how many weights of which type a model has; what they take in memory follows from that. For a model
of which it does not tell, the name may (`…-7B-…-4bit`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

#: Bytes of a weight by its type in safetensors; types with a part of a byte hold whole bytes of several weights.
_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8.0),
    **dict.fromkeys(("F32", "I32", "U32"), 4.0),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2.0),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 1.0),
    **dict.fromkeys(("F4", "FP4"), 0.5),
}
#: What a model takes beyond its weights: caches and intermediate results.
_OVERHEAD = 1.2

_WEIGHTS = re.compile(r"(?<![a-z0-9.])([0-9]+(?:\.[0-9]+)?)([bm])(?![a-z0-9])")
#: How many bits of a weight a name in lower case tells of.
BITS = re.compile(r"([0-9]+)-?bit")


def memory_bytes(model: ModelInfo) -> float | None:
    """What it takes to run, None when nothing tells."""
    weights = weight_bytes(model)
    return None if weights is None else weights * _OVERHEAD


def weight_bytes(model: ModelInfo) -> float | None:
    """What its weights take, None when nothing tells."""
    if model.safetensors is not None and model.safetensors.parameters:
        return sum(count * _BYTES.get(kind, 2.0) for kind, count in model.safetensors.parameters.items())
    name = model.id.lower()
    found = _WEIGHTS.search(name)
    if found is None:
        return None
    weights = float(found[1]) * (1e9 if found[2] == "b" else 1e6)
    bits = BITS.search(name)
    # A group of quantised weights shares a scale and a bias: half a bit for each weight.
    return weights * ((int(bits[1]) + 0.5) if bits else 16) / 8


def is_mlx(model: ModelInfo) -> bool:
    return model.library_name == "mlx" or "mlx" in (model.tags or []) or model.id.startswith("mlx-community/")
