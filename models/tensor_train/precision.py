"""Low-precision training: which tensors of a tensorized layer are held in how many bits.

A :class:`Precision` names the fixed-point format of factors, biases, activations and gradients.
:func:`use_precision` attaches it to every tensorized weight of a model; from then on the layers
pass every tensor they write back through an ``edge.fixed_point*`` operator: the factors before the
contraction (unless they are held in fixed point already), every intermediate of the forward pass,
every gradient of the backward pass. Without a master copy the parameters themselves lie on the
fixed-point grid, and :mod:`~models.tensor_train.optimizers` keeps them there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.tensor_train.fixed_point import FixedPoint, check_bits
from models.tensor_train.layers import TensorizedWeight
from models.tensor_train.shrink import tensorized


@dataclass(frozen=True)
class Precision:
    """Fixed-point formats of a low-precision training run; None leaves a kind in float.

    Parameters
    ----------
    factor, bias, activation, gradient : FixedPoint or None
    master : bool
        Keep a full-width copy of factors and biases that the optimizer updates (the contraction
        then uses a rounded copy made in every forward pass). Without it only the rounded values
        exist.
    """

    factor: FixedPoint | None = None
    bias: FixedPoint | None = None
    activation: FixedPoint | None = None
    gradient: FixedPoint | None = None
    master: bool = True

    def __post_init__(self) -> None:
        for name, form in (("activation", self.activation), ("gradient", self.gradient)):
            if form is not None and form.scale == "learned":
                raise ModelError(
                    f"precision: a learned scale is for factors and biases; the "
                    f"{name} quantizer runs inside the contraction, where no "
                    f"gradient of a scale exists: use 'power-of-two' or 'shared'"
                )
        if not self.master and any(
            f is not None and f.scale == "learned" for f in (self.factor, self.bias)
        ):
            raise ModelError("precision: a learned scale needs the master copy it scales")


class Seeds:
    """A reproducible sequence of seeds for stochastic rounding."""

    def __init__(self, seed: int) -> None:
        self.value = (seed * 1_000_003 + 1) & 0x7FFF_FFFF

    def next(self) -> int:
        """The next seed."""
        self.value = (self.value + 0x9E37_79B9) & 0x7FFF_FFFF_FFFF
        return self.value


class Quantizers(nn.Module):
    """What one tensorized weight calls: the formats with their seeds and learned scales."""

    def __init__(self, precision: Precision, seeds: Seeds) -> None:
        super().__init__()
        self.precision, self.seeds = precision, seeds
        self.factor_scale = _scale(precision.factor)
        self.bias_scale = _scale(precision.bias)

    def factor(self, value: Tensor, number: int) -> Tensor:
        """The factor as the contraction sees it."""
        return self._weight(value, self.precision.factor, self.factor_scale)

    def bias(self, value: Tensor) -> Tensor:
        """The bias as the addition sees it."""
        return self._weight(value, self.precision.bias, self.bias_scale)

    def _weight(self, value: Tensor, form: FixedPoint | None, scale: nn.Parameter | None) -> Tensor:
        if form is None or not self.precision.master:
            return value
        if scale is not None:
            result = torch.ops.edge.fixed_point_learned(
                value, scale, form.bits, form.rounding, self.seeds.next()
            )
            assert isinstance(result, Tensor)
            return result
        return form.quantize(value, self.seeds.next())

    def activation(self, value: Tensor) -> Tensor:
        """An intermediate or output of the forward pass."""
        form = self.precision.activation
        return value if form is None else form.quantize(value, self.seeds.next())

    def gradient(self, value: Tensor) -> Tensor:
        """A gradient of the backward pass."""
        form = self.precision.gradient
        return value if form is None else form.quantize(value, self.seeds.next())

    def output(self, value: Tensor, bias: Tensor | None) -> Tensor:
        """Add the bias and write back: the output as an activation, its gradient as a gradient."""
        result: Tensor = _WriteBack.apply(value, bias, self)
        return result


class _WriteBack(torch.autograd.Function):
    """Output = round(value + bias); both gradients are the rounded arriving gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, bias: Tensor | None, quantizers: Quantizers) -> Tensor:
        ctx.quantizers, ctx.has_bias = quantizers, bias is not None
        if bias is not None:
            # The product is the caller's accumulator, read by nobody else: add in place.
            value = value.add_(bias)
        return quantizers.activation(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient = ctx.quantizers.gradient(gradient)
        if not ctx.has_bias:
            return gradient, None, None
        rows = gradient.reshape(-1, gradient.shape[-1])
        # One sample: the bias has the very same gradient, no sum is formed.
        summed = rows[0] if len(rows) == 1 else ctx.quantizers.gradient(rows.sum(0))
        return gradient, summed, None


def _scale(form: FixedPoint | None) -> nn.Parameter | None:
    if form is None or form.scale != "learned":
        return None
    return nn.Parameter(torch.tensor(2.0**form.exponent))


def use_precision(model: nn.Module, precision: Precision | None, seed: int = 0) -> Seeds:
    """Attach a precision to every tensorized weight of a model (None: back to float).

    Without a master copy, factors and biases are rounded to their grids at once, and each
    parameter gets an attribute `bits` that tells its width in memory.

    Returns
    -------
    Seeds
        The sequence that stochastic rounding draws from; hand it to the optimizer.
    """
    seeds = Seeds(seed)
    for _, weight in tensorized(model):
        weight.precision = None if precision is None else Quantizers(precision, seeds)
    if precision is not None and not precision.master:
        for parameter, form in fixed_point_parameters(model, precision):
            with torch.no_grad():
                parameter.copy_(fit(form, parameter).quantize(parameter, seeds.next()))
            parameter.bits = form.bits  # type: ignore[attr-defined]
    return seeds


def fixed_point_parameters(
    model: nn.Module, precision: Precision
) -> list[tuple[nn.Parameter, FixedPoint]]:
    """Every parameter that a precision without master copy holds in fixed point."""
    found: list[tuple[nn.Parameter, FixedPoint]] = []
    for module in model.modules():
        if isinstance(module, TensorizedWeight) and precision.factor is not None:
            found += [(p, precision.factor) for p in module.factors]
        bias = getattr(module, "bias", None)
        owner = getattr(module, "weight", None)
        if isinstance(owner, TensorizedWeight) and bias is not None and precision.bias is not None:
            found.append((bias, precision.bias))
    return found


def fit(form: FixedPoint, value: Tensor) -> FixedPoint:
    """The format with a fixed exponent: kept if given, else chosen for the value's magnitude."""
    if form.scale == "power-of-two":
        return form
    largest = max(float(value.detach().abs().max()), 2.0**-20)
    exponent = math.ceil(math.log2(largest / ((1 << (form.bits - 1)) - 1)))
    return FixedPoint(form.bits, form.rounding, "power-of-two", exponent)


def fixed_precision(
    factor: int = 8,
    activation: int = 8,
    gradient: int = 8,
    bias: int | None = None,
    master: bool = False,
    stochastic_factors: bool = True,
) -> Precision:
    """The usual choice: nearest activations, stochastic gradients and updates.

    Parameters
    ----------
    factor, activation, gradient : int
        Bits, 2 to 16.
    bias : int, optional
        Bits of the biases; default as the factors.
    master : bool
    stochastic_factors : bool
        Round the factors stochastically (needed where there is no master copy).
    """
    for bits in (factor, activation, gradient):
        check_bits(bits)
    rounding = "stochastic" if stochastic_factors else "nearest"
    scale = "shared" if master else "power-of-two"
    # Entries of cores stay within ±2 (A TTM of four cores has a spread of about 0.3).
    return Precision(
        FixedPoint(factor, rounding, scale, 2 - factor),
        FixedPoint(bias or factor, rounding, scale, 2 - (bias or factor)),
        FixedPoint(activation, "nearest", "shared"),
        FixedPoint(gradient, "stochastic", "shared"),
        master,
    )
