"""Quantizers of weights, whose scale is found from the weights themselves.

Levels are ``scale * (code + 1/2)`` or ``scale * code``; rows with a scale of their own are
quantized one by one. Sources: two-stage quantization, Gong et al., "VecQ: Minimal loss DNN model
compression with vectorized weight quantization" (2020); ternary threshold 0.7 E|w|, Li et al.,
"Ternary weight networks" (2016); learned step, Esser et al., "Learned step size quantization"
(2020).
"""

from __future__ import annotations

from typing import cast

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import Operands, unknown_operation
from cosim.workload.workload import Op

TINY = 1e-12
"""Smallest deviation, length or scale, as `models.quantization` has it."""

TERNARY_THRESHOLD = 0.7
"""Of the mean magnitude (Li et al. 2016)."""


def quantize_weight(op: Op, operands: Operands) -> Array:
    """Weights on the levels of a scheme, shape of the weights.

    Parameters
    ----------
    operands : list of array
        Weights (samples or 1, *shape), and the step of the grid where the scheme has one: in
        standard deviations for ``vecq`` and ``ternary``, the step itself for ``lsq``.

    Raises
    ------
    CosimError
        A scheme that is not known here, or one without the step that it needs.
    """
    given = op.attributes
    axis = int(cast(int, given.get("axis", -1)))
    step = operands[1] if len(operands) > 1 else None
    results = []
    for sample, x in enumerate(operands[0]):
        rows = x[None] if axis == -1 else np.moveaxis(x, axis, 0)
        column = None if step is None else step[min(sample, len(step) - 1)].reshape(-1, 1)
        flat = rows.reshape(len(rows), -1)
        made = _levels(op, flat, int(cast(int, given["bits"])), column).reshape(rows.shape)
        results.append(made[0] if axis == -1 else np.moveaxis(made, 0, axis))
    return np.stack(results)


def _levels(op: Op, rows: Array, bits: int, step: Array | None) -> Array:
    scheme, half = str(op.attributes.get("scheme")), 1 << (bits - 1)
    if scheme == "vecq" and step is not None:
        codes = np.clip(np.floor(rows / (step * _deviation(rows))), -half, half - 1) + 0.5
        return np.asarray(codes * _length(rows, codes))
    if scheme == "ternary" and step is not None:
        codes = np.clip(np.rint(rows / (step * _deviation(rows))), -1, 1)
        return np.asarray(codes * _length(rows, codes))
    if scheme == "sign":
        return np.asarray(np.where(rows >= 0, 1.0, -1.0) * np.abs(rows).mean(1, keepdims=True))
    if scheme == "twn":
        threshold = TERNARY_THRESHOLD * np.abs(rows).mean(1, keepdims=True)
        codes = np.sign(rows) * (np.abs(rows) > threshold)
        return np.asarray(codes * _length(rows, codes))
    if scheme == "min-max":
        largest = np.maximum(np.abs(rows).max(1, keepdims=True), TINY)
        if bits == 1:
            return np.asarray(np.where(rows >= 0, largest, -largest))
        scale = largest / (half - 1)
        return np.asarray(np.clip(np.rint(rows / scale), 1 - half, half - 1) * scale)
    if scheme == "lsq":
        if step is None:
            step = 2.0 * np.abs(rows).mean(1, keepdims=True) / (half - 1) ** 0.5
        scale = np.maximum(np.abs(step), TINY)
        return np.asarray(np.clip(np.rint(rows / scale), -half, half - 1) * scale)
    raise unknown_operation(op)


def _deviation(rows: Array) -> Array:
    return np.asarray(np.maximum(rows.std(axis=1, keepdims=True), TINY))


def _length(rows: Array, levels: Array) -> Array:
    """The multiple of the levels that is closest to the weights: <w, v> / <v, v>."""
    square = np.maximum(np.square(levels).sum(1, keepdims=True), TINY)
    return np.asarray((rows * levels).sum(1, keepdims=True) / square)
