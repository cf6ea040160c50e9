"""Activation functions beyond the plainest, and the gradients of all of them.

A gradient is given the incoming gradient and what its function kept: its argument, or its result
for ``sigmoid`` and ``tanh``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import number
from cosim.workload.workload import Op

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def gelu(op: Op, x: Array) -> Array:
    if op.attributes.get("approximate") == "tanh":
        return np.asarray(0.5 * x * (1.0 + np.tanh(_inner(x))))
    return np.asarray(0.5 * x * (1.0 + erf(x / math.sqrt(2.0))))


def _inner(x: Array) -> Array:
    """The argument of the hyperbolic tangent that approximates the error function."""
    return np.asarray(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))


def _leaky(op: Op, x: Array) -> Array:
    return np.where(x > 0, x, number(op.attributes.get("negative_slope"), 0.01) * x)


def _elu(op: Op, x: Array) -> Array:
    a, s, i = (number(op.attributes.get(k), 1.0) for k in ("alpha", "scale", "input_scale"))
    return np.where(x > 0, s * x, s * a * np.expm1(np.minimum(i * x, 0.0)))


def _softplus(op: Op, x: Array) -> Array:
    beta = number(op.attributes.get("beta"), 1.0)
    limit = number(op.attributes.get("threshold"), 20.0)
    return np.where(beta * x > limit, x, np.logaddexp(beta * x, 0.0) / beta)


def _shrink(hard: bool) -> Callable[[Op, Array], Array]:
    def shrunk(op: Op, x: Array) -> Array:
        limit = number(op.attributes.get("lambd"), 0.5)
        kept = x if hard else x - np.sign(x) * limit
        return np.where(np.abs(x) > limit, kept, 0.0)

    return shrunk


ACTIVATIONS: dict[str, Callable[[Op, Array], Array]] = {
    "gelu": gelu, "leaky_relu": _leaky, "elu": _elu, "softplus": _softplus,
    "hardshrink": _shrink(True), "softshrink": _shrink(False),
    "mish": lambda op, x: x * np.tanh(np.logaddexp(x, 0.0)),
}  # fmt: skip
"""Functions of one operand and of the operation's arguments."""


def _gelu_slope(op: Op, x: Array) -> Array:
    if op.attributes.get("approximate") == "tanh":
        t = np.tanh(_inner(x))
        inner = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * x * x)
        return np.asarray(0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return np.asarray(0.5 * (1.0 + erf(x / math.sqrt(2.0))) + x * density)


def _silu_slope(op: Op, x: Array) -> Array:
    s = sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


def _hardswish_slope(op: Op, x: Array) -> Array:
    return np.where(x <= -3.0, 0.0, np.where(x < 3.0, x / 3.0 + 0.5, 1.0))


def _inside(op: Op, x: Array) -> Array:
    low = number(op.attributes.get("min_val", op.attributes.get("min")), -math.inf)
    high = number(op.attributes.get("max_val", op.attributes.get("max")), math.inf)
    return np.asarray((x > low) & (x < high), np.float64)


def _leaky_slope(op: Op, x: Array) -> Array:
    return np.where(x > 0, 1.0, number(op.attributes.get("negative_slope"), 0.01))


def _softplus_slope(op: Op, x: Array) -> Array:
    beta = number(op.attributes.get("beta"), 1.0)
    limit = number(op.attributes.get("threshold"), 20.0)
    return np.where(beta * x > limit, 1.0, sigmoid(beta * x))


SIXTH = float(np.float32(1.0) / np.float32(6.0))
"""PyTorch's slope of ``hardsigmoid``: in single precision, whatever the tensor's type."""

SLOPES: dict[str, Callable[[Op, Array], Any]] = {
    "relu": lambda op, x: np.where(x > number(op.attributes.get("threshold"), 0.0), 1.0, 0.0),
    "clamp": _inside, "relu6": _inside, "gelu": _gelu_slope, "silu": _silu_slope,
    "sigmoid": lambda op, y: y * (1.0 - y), "tanh": lambda op, y: 1.0 - y * y,
    "hardswish": _hardswish_slope, "leaky_relu": _leaky_slope, "softplus": _softplus_slope,
    "hardsigmoid": lambda op, x: np.where((x > -3.0) & (x < 3.0), SIXTH, 0.0),
}  # fmt: skip
"""What the incoming gradient is multiplied by."""
