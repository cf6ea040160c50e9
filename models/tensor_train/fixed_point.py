"""Fixed-point rounding as operators, so that whoever watches the stream sees every bit width.

A value is code * 2^exponent with a signed code of `bits` bits. Three operators of the namespace
``edge``, all answering with the represented real values in the input's type:

- ``edge.fixed_point``: the exponent is given.
- ``edge.fixed_point_shared``: one exponent for the tensor, the smallest one at which its largest
  magnitude does not saturate (block floating point, one extra byte a tensor).
- ``edge.fixed_point_learned``: the scale is a trained tensor, not bound to powers of two.

Rounding is ``nearest`` (ties to even) or ``stochastic``: up with a probability equal to the
fraction, which is right on average and lets small updates survive. Randomness comes from the
`seed` argument alone, so equal calls give equal results. Gradients are straight-through; the
learned scale follows  ∂q/∂s = code - x/s inside the range and the end code outside (Esser et al.
2020; used for tensor cores by Yang et al. 2023, 2306.01076).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.errors import ModelError, unknown

ROUNDINGS = ("nearest", "stochastic")
SCALES = ("power-of-two", "shared", "learned")
WIDTHS = (2, 16)
LOWEST_EXPONENT = -126


@dataclass(frozen=True)
class FixedPoint:
    """Width, rounding and scale of a kind of tensor.

    Parameters
    ----------
    bits : int
        2 to 16, sign included.
    rounding : "nearest" or "stochastic"
    scale : "power-of-two" (the exponent is given), "shared" (from the largest magnitude) or
        "learned"
    exponent : int
        Weight of the lowest bit is 2^exponent; for a learned scale the initial value.
    """

    bits: int
    rounding: str = "nearest"
    scale: str = "shared"
    exponent: int = -6

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if self.rounding not in ROUNDINGS:
            raise unknown("rounding", self.rounding, ROUNDINGS, "fixed point")
        if self.scale not in SCALES:
            raise unknown("scale", self.scale, SCALES, "fixed point")

    @property
    def resolution(self) -> float:
        """Weight of the lowest bit (power-of-two scale)."""
        return float(2.0**self.exponent)

    def quantize(self, x: Tensor, seed: int = 0) -> Tensor:
        """Round a tensor; learned scales need :class:`~models.tensor_train.precision.Learned`."""
        if self.scale == "power-of-two":
            result = torch.ops.edge.fixed_point(x, self.bits, self.exponent, self.rounding, seed)
        else:
            result = torch.ops.edge.fixed_point_shared(x, self.bits, self.rounding, seed)
        assert isinstance(result, Tensor)
        return result


def check_bits(bits: object) -> None:
    """Raise ModelError unless `bits` is a whole number from 2 to 16."""
    low, high = WIDTHS
    if not isinstance(bits, int) or isinstance(bits, bool) or not low <= bits <= high:
        raise ModelError(f"fixed point: {bits!r} bits are not supported, expected {low} to {high}")


def code_limits(bits: int) -> tuple[int, int]:
    """Smallest and largest signed code."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def round_codes(ratio: Tensor, bits: int, rounding: str, seed: int) -> Tensor:
    """Round x/scale to codes (as floats) and saturate; may reuse the memory of `ratio`."""
    if rounding == "stochastic":
        generator = torch.Generator(ratio.device).manual_seed(seed)
        ratio = ratio.add_(
            torch.rand(ratio.shape, generator=generator, dtype=ratio.dtype, device=ratio.device)
        ).floor_()
    elif rounding == "nearest":
        ratio = ratio.round_()
    else:
        raise unknown("rounding", rounding, ROUNDINGS, "fixed point")
    low, high = code_limits(bits)
    return ratio.clamp_(low, high)


def shared_exponent(x: Tensor, bits: int) -> int:
    """Smallest exponent at which no value of x saturates when rounded to nearest.

    Raises
    ------
    ModelError
        If a value is not finite: rounding would hide that training has diverged.
    """
    _, high = code_limits(bits)
    largest = float(x.abs().max()) if x.numel() else 0.0
    if not math.isfinite(largest):
        raise ModelError("fixed point: a value is not finite; training has diverged")
    if largest == 0.0:
        return LOWEST_EXPONENT
    # frexp: largest / high = mantissa * 2^e with 1/2 <= mantissa < 1
    mantissa, exponent = math.frexp(largest / high)
    return max(exponent - int(mantissa == 0.5), LOWEST_EXPONENT)


@torch.library.custom_op("edge::fixed_point", mutates_args=())
def fixed_point(x: Tensor, bits: int, exponent: int, rounding: str, seed: int) -> Tensor:
    """Round to code * 2^exponent; see the module."""
    check_bits(bits)
    return round_codes(x.contiguous() * 2.0**-exponent, bits, rounding, seed).mul_(2.0**exponent)


@torch.library.custom_op("edge::fixed_point_shared", mutates_args=())
def fixed_point_shared(x: Tensor, bits: int, rounding: str, seed: int) -> Tensor:
    """Round to code * 2^e with one e for the tensor; see the module."""
    check_bits(bits)
    scale = 2.0 ** shared_exponent(x, bits)
    return round_codes(x.contiguous() * (1.0 / scale), bits, rounding, seed).mul_(scale)


@torch.library.custom_op("edge::fixed_point_learned", mutates_args=())
def fixed_point_learned(x: Tensor, scale: Tensor, bits: int, rounding: str, seed: int) -> Tensor:
    """Round to code * scale, scale a positive tensor of one element; see the module."""
    check_bits(bits)
    size = scale.abs().clamp_min(2.0**LOWEST_EXPONENT)
    return round_codes(x.contiguous() / size, bits, rounding, seed).mul_(size)


@fixed_point.register_fake
def _(x: Tensor, bits: int, exponent: int, rounding: str, seed: int) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@fixed_point_shared.register_fake
def _(x: Tensor, bits: int, rounding: str, seed: int) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@fixed_point_learned.register_fake
def _(x: Tensor, scale: Tensor, bits: int, rounding: str, seed: int) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _nothing_saved(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    # The estimator passes saturated values too: a mask would have to be stored.
    pass


fixed_point.register_autograd(
    lambda ctx, gradient: (gradient, None, None, None, None), setup_context=_nothing_saved
)
fixed_point_shared.register_autograd(
    lambda ctx, gradient: (gradient, None, None, None), setup_context=_nothing_saved
)


def _learned_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, scale, ctx.bits, ctx.rounding, ctx.seed = inputs
    ctx.save_for_backward(x, scale)


def _learned_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, scale = ctx.saved_tensors
    size = scale.abs().clamp_min(2.0**LOWEST_EXPONENT)
    low, high = code_limits(ctx.bits)
    ratio = x / size
    inside = (ratio >= low) & (ratio <= high)
    codes = round_codes(ratio.clone(), ctx.bits, ctx.rounding, ctx.seed)
    to_scale = gradient * torch.where(inside, codes - ratio, codes)
    return gradient * inside, to_scale.sum().reshape(scale.shape) * scale.sign(), None, None, None


fixed_point_learned.register_autograd(_learned_backward, setup_context=_learned_setup)
