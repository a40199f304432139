"""SwiGLU for MLX' CPU back end, whose exponential is slow; on a GPU nothing is changed."""

import sys
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import activations

from worker.engines.rational import rational

# The logistic function as 1/2 + z P(z²) / Q(z²) for |z| <= 18, beyond which a float32 can't tell it from 0 or 1: the
# coefficients of Eigen's for float32, the highest power first.
_P = (
    4.37031012579801e-11,
    1.15627324459942e-07,
    6.08574864600143e-05,
    8.51377133304701e-03,
    2.48287947061529e-01,
)
_Q = (
    6.10247389755681e-13,
    5.76102136993427e-09,
    6.29106785017040e-06,
    1.70198817374094e-03,
    1.16817656904453e-01,
    9.93151921023180e-01,
)


def quicken(model: nn.Module) -> None:
    """Have a model of mlx-lm that runs on the CPU compute its SwiGLU by multiplying only: four times as fast."""
    if mx.default_device() != mx.Device(mx.cpu):
        return
    modules: Any = model.modules()
    for home in {type(module).__module__ for module in modules}:
        names = vars(sys.modules[home])
        if names.get("swiglu") is activations.swiglu:
            names["swiglu"] = swiglu


def swiglu(gate: mx.array, x: mx.array) -> mx.array:
    """`gate` by its logistic function, to 3e-7, by `x`. Half precision has no room for the coefficients."""
    return _swiglu(gate, x) if gate.dtype == mx.float32 else activations.swiglu(gate, x)


@partial(mx.compile, shapeless=True)
def _swiglu(gate: mx.array, x: mx.array) -> mx.array:
    z = mx.clip(gate, -18, 18)
    return gate * (0.5 + z * rational(_P, _Q, z * z)) * x
