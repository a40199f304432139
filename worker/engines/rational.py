"""Rational functions: what stands for functions that MLX computes slowly on a CPU, in multiplications."""

from collections.abc import Sequence

import mlx.core as mx


def rational(numerator: Sequence[float], denominator: Sequence[float], x: mx.array) -> mx.array:
    """P(x) / Q(x) by the coefficients of both, the highest power first."""
    return _polynomial(numerator, x) / _polynomial(denominator, x)


def _polynomial(coefficients: Sequence[float], x: mx.array) -> mx.array:
    value = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value
