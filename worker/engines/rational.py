"""Rational functions: what stands for functions that MLX computes slowly on a CPU, in multiplications."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx


def rational(numerator: Sequence[float], denominator: Sequence[float], x: mx.array) -> mx.array:
    """P(x) / Q(x) by the coefficients of both, the highest power first."""
    squared = x * x
    quotient: mx.array = _polynomial(numerator, x, squared) / _polynomial(denominator, x, squared)
    return quotient


def _polynomial(coefficients: Sequence[float], x: mx.array, squared: mx.array) -> Any:
    """By two powers at a time: of a longer chain of operations MLX can't compile one."""
    odd = len(coefficients) % 2
    value: Any = coefficients[0] if odd else coefficients[0] * x + coefficients[1]
    for at in range(2 - odd, len(coefficients), 2):
        value = value * squared + (coefficients[at] * x + coefficients[at + 1])
    return value
