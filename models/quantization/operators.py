"""Every quantize step is one operator, so that whoever watches the operation stream sees it.

``edge.quantize_weight`` and ``edge.quantize_activation`` answer with the fake-quantized tensor
(the real values of the levels, in the input's type) and carry bits, scheme and signedness as
plain arguments. Their gradients are straight-through estimators.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.quantization.levels import TINY, weight_codes
from models.quantization.specification import code_range, has_half_integer_levels


@torch.library.custom_op("edge::quantize_weight", mutates_args=())
def quantize_weight(
    x: Tensor,
    bits: int,
    scheme: str,
    signed: bool = True,
    axis: int = -1,
    step: Tensor | None = None,
) -> Tensor:
    """Return weights rounded to the levels of a scheme.

    Parameters
    ----------
    x : Tensor
        Weights of any shape.
    bits : int
        Bits of one code in memory; ternary schemes carry 2.
    scheme : str
        ``vecq`` (levels are half-integers times the scale), ``ternary``, ``sign``, ``twn``,
        ``min-max`` or ``lsq``.
    signed : bool
        Always true for weights; there for those who read the operator's arguments.
    axis : int
        The axis with a scale of its own, -1 for one scale for the tensor.
    step : Tensor, optional
        See `models.quantization.levels.weight_codes`.
    """
    codes, scale = weight_codes(x, bits, scheme, axis, step)
    if has_half_integer_levels(scheme, bits):
        codes = codes + 0.5
    return (codes * scale).contiguous()


@quantize_weight.register_fake
def _(
    x: Tensor,
    bits: int,
    scheme: str,
    signed: bool = True,
    axis: int = -1,
    step: Tensor | None = None,
) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _weight_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ctx.bits, ctx.scheme, _, ctx.axis, step = inputs
    # a straight-through estimator needs nothing from the forward pass; a learned step does
    ctx.learned = ctx.scheme == "lsq" and step is not None
    if ctx.learned:
        ctx.save_for_backward(x, step)


def _weight_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    if not ctx.learned:
        return gradient, None, None, None, None, None
    x, step = ctx.saved_tensors
    shape = [1] * x.dim()
    if ctx.axis != -1:
        shape[ctx.axis] = -1
    scale = step.abs().clamp_min(TINY).reshape(shape)
    to_x, to_step = _learned_step_gradients(gradient, x / scale, *code_range(ctx.bits, True))
    kept = [] if ctx.axis == -1 else [ctx.axis]
    summed = to_step.sum([d for d in range(x.dim()) if d not in kept]).reshape(step.shape)
    return to_x, None, None, None, None, summed * torch.sign(step)


quantize_weight.register_autograd(_weight_backward, setup_context=_weight_setup)


@torch.library.custom_op("edge::quantize_activation", mutates_args=())
def quantize_activation(
    x: Tensor, scale: Tensor, zero_point: Tensor, bits: int, signed: bool, scheme: str
) -> Tensor:
    """Return activations rounded to ``scale * (code - zero_point)``.

    Parameters
    ----------
    x : Tensor
        Activations of any shape.
    scale : Tensor
        One element; its gradient is the one of a learned step.
    zero_point : Tensor
        One element, a whole number.
    bits, signed : int, bool
        Codes are -2^(bits-1) to 2^(bits-1)-1 or 0 to 2^bits-1.
    scheme : str
        ``static``, ``learned-clip``, or ``sign`` (±scale).
    """
    size = scale.abs().clamp_min(TINY)
    if scheme == "sign":
        return torch.where(x >= 0, size, -size).contiguous()
    low, high = code_range(bits, signed)
    codes = (torch.round(x / size) + zero_point).clamp(low, high)
    return ((codes - zero_point) * size).contiguous()


@quantize_activation.register_fake
def _(x: Tensor, scale: Tensor, zero_point: Tensor, bits: int, signed: bool, scheme: str) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _activation_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, scale, zero_point, ctx.bits, ctx.signed, ctx.scheme = inputs
    ctx.save_for_backward(x, scale, zero_point)


def _activation_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, scale, zero_point = ctx.saved_tensors
    size = scale.abs().clamp_min(TINY)
    if ctx.scheme == "sign":
        # the gradient of hard tanh: beyond one scale the sign no longer changes
        return gradient * (x.abs() <= size), None, None, None, None, None
    low, high = code_range(ctx.bits, ctx.signed)
    to_x, to_scale = _learned_step_gradients(gradient, x / size, low, high, zero_point)
    summed = None
    if ctx.needs_input_grad[1]:
        summed = to_scale.sum().reshape(scale.shape) * torch.sign(scale)
    return to_x, summed, None, None, None, None


quantize_activation.register_autograd(_activation_backward, setup_context=_activation_setup)


def _learned_step_gradients(
    gradient: Tensor, ratio: Tensor, low: int, high: int, zero_point: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Gradients to x and, elementwise, to the step (Esser et al. 2020, eq. 3 and 5)."""
    rounded = torch.round(ratio) if zero_point is None else torch.round(ratio) + zero_point
    inside = (rounded >= low) & (rounded <= high)
    clipped = rounded.clamp(low, high)
    if zero_point is not None:
        clipped = clipped - zero_point
    to_step = gradient * torch.where(inside, clipped - ratio, clipped)
    return gradient * inside, to_step / (ratio.numel() * max(high, 1)) ** 0.5
