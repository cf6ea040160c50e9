"""Quantizers whose scale is given, shared or learned."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import Operands, unknown_operation
from cosim.machine.values.weight_quantizing import quantize_weight
from cosim.workload.workload import Op

TINY = 1e-12
"""Smallest scale of a quantizer, as `models.quantization` has it."""


def quantize(op: Op, operands: Operands) -> Array:
    """Real values on the levels of a quantizer whose scale is given.

    ``round`` is to the nearest whole number, halves to the even one.
    """
    if "quantize_weight" in op.name:
        return quantize_weight(op, operands)
    names = cast("list[str]", op.attributes.get("operands", []))
    named = dict(zip(names, operands, strict=False)) if names else {"x": operands[0]}
    x = operands[0]
    bits = int(cast(int, op.attributes["bits"]))
    signed = bool(op.attributes.get("signed", True))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if "rounding" in op.attributes or "exponent" in op.attributes or "shared" in op.name:
        return _fixed_point(op, x, bits, named.get("scale"))
    if "scale" not in named:
        raise unknown_operation(op)
    size = np.maximum(np.abs(named["scale"].reshape(-1, *[1] * (x.ndim - 1))), TINY)
    if op.attributes.get("scheme") == "sign":
        return np.where(x >= 0, size, -size)
    zero = named.get("zero_point", np.zeros((1, 1))).reshape(-1, *[1] * (x.ndim - 1))
    codes = np.clip(np.rint(x / size) + zero, low, high)
    return np.asarray((codes - zero) * size)


LOWEST_EXPONENT = -126


def _fixed_point(op: Op, x: Array, bits: int, learned: Array | None) -> Array:
    """``code * unit``; the unit is given, learned, or the smallest at which nothing saturates."""
    high = (1 << (bits - 1)) - 1
    unit: Any = 2.0 ** float(cast(float, op.attributes.get("exponent", 0)))
    ratio = x * (1.0 / unit)
    if learned is not None:
        unit = np.maximum(np.abs(learned.reshape(-1, *[1] * (x.ndim - 1))), 2.0**LOWEST_EXPONENT)
        ratio = x / unit
    elif "exponent" not in op.attributes:
        largest = np.abs(x).reshape(x.shape[0], -1).max(axis=1, initial=0.0)
        mantissa, exponent = np.frexp(largest / high)
        exponent = np.maximum(exponent - (mantissa == 0.5), LOWEST_EXPONENT)
        exponent = np.where(largest > 0, exponent, LOWEST_EXPONENT)
        unit = np.ldexp(1.0, exponent.astype(int)).reshape(-1, *[1] * (x.ndim - 1))
        ratio = x * (1.0 / unit)
    if op.attributes.get("rounding") == "stochastic":
        seed = int(cast(int, op.attributes.get("seed", 0)))
        codes = np.floor(ratio + uniform(seed, ratio[0].size).reshape(ratio.shape[1:]))
    else:
        codes = np.rint(ratio)
    return np.asarray(np.clip(codes, -high - 1, high) * unit)


def uniform(seed: int, count: int) -> Array:
    """The numbers that PyTorch draws on a CPU: 53 bits of two words of a Mersenne twister."""
    twister = np.random.MT19937()
    twister._legacy_seeding(seed & 0xFFFF_FFFF)  # as the reference implementation seeds
    words = twister.random_raw(2 * count).astype(np.uint64)
    both = (words[0::2] << np.uint64(32)) | words[1::2]
    return (both & np.uint64((1 << 53) - 1)) * 2.0**-53
