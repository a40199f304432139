"""Layers of mlx-lm's models as MLX' CPU back end computes them fast; on a GPU nothing is changed.

That back end knows no kernels for norms and rotations: it computes them by 11 and 31 operations, and two threads work
several microseconds for each, however little it computes. Exponentials it computes one by one. Here operations are
compiled into few, and SwiGLU has no exponential.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import activations

from worker.engines.rational import rational

#: Rows that decode, for which a function is compiled by their number. Prompts have too many shapes for that.
_ROWS = 64

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


class QuickRMSNorm(nn.RMSNorm):
    """The same numbers, by 3 operations."""

    def __call__(self, x: mx.array) -> mx.array:
        plain: Any = super()
        found: mx.array = _rms_norm(x, self.weight, self.eps) if _decodes(x) else plain.__call__(x)
        return found


class QuickRoPE(nn.RoPE):
    """The same numbers, by 14 operations, where each row has a place of its own."""

    def __call__(self, x: mx.array, offset: Any = 0) -> mx.array:
        plain: Any = super()
        quick = isinstance(offset, mx.array) and _decodes(x)
        turned: mx.array = (
            _rope(x, offset, self.dims, self.traditional, self.base, self.scale)
            if quick
            else plain.__call__(x, offset)
        )
        return turned


_QUICK: dict[type[nn.Module], type[nn.Module]] = {nn.RMSNorm: QuickRMSNorm, nn.RoPE: QuickRoPE}


def quicken(model: nn.Module) -> None:
    """Have a model of mlx-lm that runs on the CPU use what is here."""
    if mx.default_device() != mx.Device(mx.cpu):
        return
    modules: Any = model.modules()
    for module in modules:
        if (quick := _QUICK.get(type(module))) is not None:
            module.__class__ = quick
    for home in {type(module).__module__ for module in modules}:
        names = vars(sys.modules[home])
        if names.get("swiglu") is activations.swiglu:
            names["swiglu"] = swiglu


def swiglu(gate: mx.array, x: mx.array) -> mx.array:
    """`gate` by its logistic function, to 3e-7, by `x`. Half precision has no room for the coefficients."""
    compute: Callable[[mx.array, mx.array], mx.array] = activations.swiglu
    if gate.dtype == mx.float32:
        compute = _swiglu_of_few if _decodes(gate) else _swiglu
    return compute(gate, x)


def _decodes(x: mx.array) -> bool:
    """Whether these are rows with one token each."""
    return x.ndim > 2 and x.shape[-2] == 1 and x.shape[0] <= _ROWS


def _logistic_by(gate: mx.array, x: mx.array) -> mx.array:
    z = mx.clip(gate, -18, 18)
    return gate * (0.5 + z * rational(_P, _Q, z * z)) * x


_swiglu = partial(mx.compile, shapeless=True)(_logistic_by)
_swiglu_of_few = mx.compile(_logistic_by)


@mx.compile
def _rms_norm(x: mx.array, weight: mx.array, eps: float) -> mx.array:
    return mx.fast.rms_norm(x, weight, eps)


@mx.compile
def _rope(
    x: mx.array, offset: mx.array, dims: int, traditional: bool, base: float | None, scale: float
) -> mx.array:
    return mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, offset=offset)
