"""The precision that a device computes in: on a CPU a model's floats are float32.

MLX computes in half precision on a CPU five to forty times slower than in float32 (docs/memory.md). Quantised weights
stay as they are; their scales and biases are floats. On Metal nothing changes.
"""

from typing import Any

import mlx.core as mx

from worker.device import device


def keeps_halves() -> bool:
    """Whether weights stay as they are stored."""
    return device().gpu


def widen(model: Any) -> None:
    """Make a model's floats float32 where the device needs it. Call it on the owner thread, before the weights are
    read from their files, so that they are not in memory twice.
    """
    if not keeps_halves():
        model.set_dtype(mx.float32)
        mx.eval(model.parameters())
