"""From weights to integer codes and a scale, one function a scheme.

Every scheme answers with ``codes`` and ``scale`` such that the quantized weight is::

    scale * (codes + 1/2)    schemes with half-integer levels (vecq, sign, 1-bit min-max)
    scale * codes            the others

Codes are whole numbers held in the weights' floating type. Rows of the given matrix are quantized
independently: one row for the whole tensor, or one row for each output channel.

Sources: two-stage quantization: Gong et al., "VecQ: Minimal loss DNN model compression with
vectorized weight quantization", 2020 (arXiv 2005.08501); ternary threshold 0.7 E|w|: Li et al.,
"Ternary weight networks", 2016; learned step: Esser et al., "Learned step size quantization",
2020.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.errors import unknown
from models.quantization.specification import WEIGHT_SCHEMES
from models.quantization.steps import gaussian_step, gaussian_ternary_step

TINY = 1e-12
TWN_FRACTION = 0.7


def weight_codes(
    x: Tensor, bits: int, scheme: str, axis: int = -1, step: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return codes and scale of a weight tensor.

    Parameters
    ----------
    x : Tensor
        Weights.
    bits, scheme : int, str
        As in `models.quantization.specification`.
    axis : int
        Axis with a scale of its own, -1 for one scale.
    step : Tensor, optional
        ``vecq`` and ``ternary``: the grid's step in standard deviations (default: the optimum
        for the normal distribution); ``lsq``: the step itself, which is needed. One element, or
        one for each channel.

    Returns
    -------
    codes : Tensor
        Whole numbers, shape of `x`.
    scale : Tensor
        Broadcastable against `x`.
    """
    if scheme not in WEIGHT_SCHEMES:
        raise unknown("weight scheme", scheme, WEIGHT_SCHEMES)
    rows = x.reshape(1, -1) if axis == -1 else x.movedim(axis, 0).reshape(x.shape[axis], -1)
    column = None if step is None else step.reshape(-1, 1).to(rows.dtype)
    codes, scale = _SCHEMES[scheme](rows, bits, column)
    if axis == -1:
        return codes.reshape(x.shape), scale.reshape([1] * x.dim())
    shape = [1] * x.dim()
    shape[axis] = -1
    moved = x.movedim(axis, 0).shape
    return codes.reshape(moved).movedim(0, axis), scale.reshape(shape)


def _deviation(rows: Tensor) -> Tensor:
    return rows.std(dim=1, unbiased=False, keepdim=True).clamp_min(TINY)


def _modulus(rows: Tensor, levels: Tensor) -> Tensor:
    """The driving stage: the length <w, v> / <v, v> that is closest to w along v."""
    length = levels.square().sum(1, keepdim=True).clamp_min(TINY)
    return (rows * levels).sum(1, keepdim=True) / length


def _vecq(rows: Tensor, bits: int, step: Tensor | None) -> tuple[Tensor, Tensor]:
    ratio = gaussian_step(bits) if step is None else step
    half = 2 ** (bits - 1)
    codes = torch.floor(rows / (ratio * _deviation(rows))).clamp(-half, half - 1)
    return codes, _modulus(rows, codes + 0.5)


def _ternary(rows: Tensor, bits: int, step: Tensor | None) -> tuple[Tensor, Tensor]:
    ratio = gaussian_ternary_step() if step is None else step
    codes = torch.round(rows / (ratio * _deviation(rows))).clamp(-1, 1)
    return codes, _modulus(rows, codes)


def _sign(rows: Tensor, bits: int, step: Tensor | None) -> tuple[Tensor, Tensor]:
    codes = torch.where(rows >= 0, 0.0, -1.0).to(rows.dtype)
    return codes, 2.0 * rows.abs().mean(1, keepdim=True)


def _twn(rows: Tensor, bits: int, step: Tensor | None) -> tuple[Tensor, Tensor]:
    threshold = TWN_FRACTION * rows.abs().mean(1, keepdim=True)
    codes = torch.sign(rows) * (rows.abs() > threshold)
    return codes, _modulus(rows, codes)


def _min_max(rows: Tensor, bits: int, step: Tensor | None) -> tuple[Tensor, Tensor]:
    largest = rows.abs().amax(1, keepdim=True).clamp_min(TINY)
    if bits == 1:
        return torch.where(rows >= 0, 0.0, -1.0).to(rows.dtype), 2.0 * largest
    limit = 2 ** (bits - 1) - 1
    scale = largest / limit
    return torch.round(rows / scale).clamp(-limit, limit), scale


def _lsq(rows: Tensor, bits: int, step: Tensor | None) -> tuple[Tensor, Tensor]:
    if step is None:
        step = 2.0 * rows.abs().mean(1, keepdim=True) / (2 ** (bits - 1) - 1) ** 0.5
    scale = step.abs().clamp_min(TINY).expand(rows.shape[0], 1)
    return torch.round(rows / scale).clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), scale


_SCHEMES = {
    "vecq": _vecq,
    "ternary": _ternary,
    "sign": _sign,
    "twn": _twn,
    "min-max": _min_max,
    "lsq": _lsq,
}
