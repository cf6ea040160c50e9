"""Bit widths of tensorized networks, as the options `bits_w`, `bits_a` and `bits_g`."""

from __future__ import annotations

from typing import Any

from torch import nn

from models.errors import ModelError

FLOAT_BITS = 32


def with_bits(model: nn.Module, bits_w: Any, bits_a: Any, bits_g: Any) -> nn.Module:
    """Hold factors, activations and gradients of tensorized layers in fixed point.

    Parameters
    ----------
    model : nn.Module
    bits_w, bits_a, bits_g : int
        2 to 16, or 32 for float, of factors and biases, activations, and gradients.

    Returns
    -------
    nn.Module
        `model`, with a float master copy of the factors; for training without one see
        `models.tensor_train.precision`.
    """
    from models.tensor_train.fixed_point import FixedPoint
    from models.tensor_train.precision import Precision, use_precision

    def form(bits: Any, rounding: str) -> FixedPoint | None:
        return None if bits == FLOAT_BITS else FixedPoint(bits, rounding, "shared")

    for name, bits in (("bits_w", bits_w), ("bits_a", bits_a), ("bits_g", bits_g)):
        whole = isinstance(bits, int) and not isinstance(bits, bool)
        if not whole or not (2 <= bits <= 16 or bits == FLOAT_BITS):
            raise ModelError(
                f"{name}: {bits!r} bits are not supported for factors in fixed point, "
                "expected 2 to 16 or 32 (float)"
            )
    if (bits_w, bits_a, bits_g) != (FLOAT_BITS,) * 3:
        factor = form(bits_w, "nearest")
        precision = Precision(factor, factor, form(bits_a, "nearest"), form(bits_g, "stochastic"))
        use_precision(model, precision)
    return model
