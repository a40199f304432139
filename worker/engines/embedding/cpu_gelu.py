"""GELU for MLX' CPU back end, whose error function takes half of a BERT's time; on a GPU nothing is changed."""

import math
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from worker.engines.rational import rational

# erf(z) as z P(z²) / Q(z²) for |z| <= 4, beyond which a float32 can't tell it from 1: the coefficients of Eigen's
# and XLA's erf for float32, the highest power first.
_P = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_Q = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


def quicken(model: nn.Module) -> None:
    """Exact GELU layers of a model that runs on the CPU compute by multiplying only: seven times as fast."""
    if mx.default_device() != mx.Device(mx.cpu):
        return
    modules: Any = model.modules()
    for module in modules:
        for name, layer in list(module.children().items()):
            if isinstance(layer, nn.GELU) and layer._approx == "none":
                setattr(module, name, gelu)


def gelu(x: mx.array) -> mx.array:
    """x Φ(x), to 2e-6 in float32."""
    z = mx.clip(x * math.sqrt(0.5), -4, 4)
    return 0.5 * x * (1 + z * rational(_P, _Q, z * z))
