"""Integers from the first layer to the last: everything between two layers becomes thresholds.

Between the sums of one layer and the codes that the next one reads lie bias, batch norm, an
activation and a quantizer. Per channel that is one monotone step function of an integer, hence a
sorted list of integers: the code is the number of thresholds that the sum has reached (Umuroglu et
al., "FINN", 2017). The thresholds are found by bisection on the real functions themselves, so
integer and real execution agree on every code. Maxima commute with monotone functions and are
taken over codes.

Only chains can be compiled (every network here whose description says so: mlp, lenet5, cnv,
vgg-cifar, alexnet, vgg16). A residual sum adds numbers of different scales: use
`models.quantization.integer.run_integer` for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from models.errors import ModelError
from models.quantization.activation import ActivationQuantizer
from models.quantization.integer import (
    Integers,
    IntegerTensor,
    QuantLayer,
    Reals,
    accumulate,
    activation_codes,
    integer_weight,
    with_codes,
)
from models.quantization.layers import QuantConv2d, QuantLinear
from models.quantization.specification import code_range

MONOTONE = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Identity, nn.Dropout)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CodeStep = Callable[[Integers], Integers]


@dataclass(frozen=True)
class Stage:
    """One layer and what turns its sums into the codes of the next.

    Parameters
    ----------
    layer : QuantConv2d or QuantLinear
        Gives the geometry; its weight is `weight`.
    weight : IntegerTensor
    reader : ActivationQuantizer
        Scale and zero point of the codes that the layer reads.
    direction : int64 array, shape (channels,)
        1, or -1 where the code falls with the sum (batch norm with a negative factor).
    thresholds : int64 array, shape (channels, codes - 1), or None for the last layer
    lowest : int
        The code below all thresholds.
    then : tuple of callables
        Pooling and reshaping of codes.
    """

    layer: QuantLayer
    weight: IntegerTensor
    reader: ActivationQuantizer
    direction: Integers | None
    thresholds: Integers | None
    lowest: int
    then: tuple[CodeStep, ...]

    def sums(self, codes: Integers) -> Integers:
        """Return the exact sums of the layer for the codes it reads."""
        return accumulate(self.layer, with_codes(self.reader, codes), self.weight)

    def codes(self, sums: Integers) -> Integers:
        """Return the codes that the next layer reads."""
        assert self.thresholds is not None
        assert self.direction is not None
        channels = np.moveaxis(sums, 1, -1)
        turned = channels * self.direction
        codes = np.empty_like(turned)
        for channel, steps in enumerate(self.thresholds):
            reached = np.searchsorted(steps, turned[..., channel], side="right")
            codes[..., channel] = self.lowest + reached
        codes = np.ascontiguousarray(np.moveaxis(codes, -1, 1))
        for step in self.then:
            codes = step(codes)
        return codes


@dataclass(frozen=True)
class IntegerNetwork:
    """A chain of layers in integers.

    Parameters
    ----------
    first : tuple of callables
        Reshaping of the input's codes.
    stages : tuple of Stage
    output : callable
        The last layer's sums to real outputs.
    """

    quantizer: ActivationQuantizer
    first: tuple[CodeStep, ...]
    stages: tuple[Stage, ...]
    output: Callable[[Integers], Reals]

    def quantize(self, x: Tensor) -> Integers:
        """Return the codes of a real input."""
        return activation_codes(self.quantizer, x.double()).to(torch.int64).numpy()

    def run(self, codes: Integers) -> Integers:
        """Return the sums of the last layer; integers only.

        Parameters
        ----------
        codes : int64 array, shape (batch, ...)
            From `quantize`.
        """
        for step in self.first:
            codes = step(codes)
        for stage in self.stages[:-1]:
            codes = stage.codes(stage.sums(codes))
        return self.stages[-1].sums(codes)

    def __call__(self, x: Tensor) -> Reals:
        """Return the real outputs for a real input."""
        return self.output(self.run(self.quantize(x)))


@torch.no_grad()
def compile_integer(network: nn.Module) -> IntegerNetwork:
    """Turn a quantized chain into integers throughout.

    Parameters
    ----------
    network : nn.Sequential
        Sequences may be nested. Weights and activations of all layers quantized.

    Raises
    ------
    ModelError
        If something in it is not a chain of layers, batch norms, monotone activations, maximum
        pools and flattenings.
    """
    modules = _chain(copy.deepcopy(network).eval().double(), "")
    places = [n for n, (_, m) in enumerate(modules) if isinstance(m, QuantConv2d | QuantLinear)]
    if not places:
        raise ModelError("integer execution: the network has no quantized layer")
    layers = [modules[place][1] for place in places]
    for place in places:
        if modules[place][1].input_quantizer is None:
            raise ModelError(
                f"integer execution: layer {modules[place][0]} reads float activations, "
                "expected bits_a of 1 to 8"
            )
    first = _code_steps(modules[: places[0]], "before the first layer")
    stages = []
    for number, (place, layer) in enumerate(zip(places, layers, strict=True)):
        weight, reader = integer_weight(layer), layer.input_quantizer
        if number + 1 == len(places):
            stages.append(Stage(layer, weight, reader, None, None, 0, ()))
            break
        between = modules[place + 1 : places[number + 1]]
        real = _real_function(layer, weight, reader, between)
        following = layers[number + 1].input_quantizer
        direction, steps = _thresholds(layer, weight, reader, real, following)
        lowest = code_range(following.bits, following.signed)[0]
        stages.append(
            Stage(layer, weight, reader, direction, steps, lowest, _code_steps(between, ""))
        )
    last = stages[-1]
    tail = modules[places[-1] + 1 :]
    real = _real_function(last.layer, last.weight, last.reader, tail)
    if _code_steps(tail, ""):
        raise ModelError("integer execution: pooling after the last layer is not supported")
    return IntegerNetwork(layers[0].input_quantizer, first, tuple(stages), real)


def _chain(module: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    if not isinstance(module, nn.Sequential):
        return [(name, module)]
    return [
        entry
        for child, part in module.named_children()
        for entry in _chain(part, f"{name}.{child}" if name else child)
    ]


def _is_flatten(module: nn.Module) -> bool:
    return type(module).__name__ in ("AsVector", "Flatten")


def _code_steps(modules: list[tuple[str, nn.Module]], only: str) -> tuple[CodeStep, ...]:
    steps: list[CodeStep] = []
    for name, module in modules:
        if steps and isinstance(module, NORMS):
            # a falling function does not commute with a maximum
            raise ModelError(
                f"integer execution: {name} normalizes after a pool, expected it before"
            )
        if _is_flatten(module):
            steps.append(lambda codes: codes.reshape(len(codes), -1))
        elif isinstance(module, nn.MaxPool2d):
            steps.append(_max_pool(module))
        elif only or not isinstance(module, (*MONOTONE, *NORMS)):
            raise ModelError(
                f"integer execution: {name} is a {type(module).__name__}, expected a chain of "
                "quantized layers, batch norms, activations, maximum pools and flattenings; "
                "run_integer runs any network"
            )
    return tuple(steps)


def _max_pool(pool: nn.MaxPool2d) -> CodeStep:
    kernel, stride, padding = (_pair(v) for v in (pool.kernel_size, pool.stride, pool.padding))
    if pool.ceil_mode or _pair(pool.dilation) != (1, 1):
        raise ModelError("integer execution: pools with ceil_mode or dilation are not supported")

    def step(codes: Integers) -> Integers:
        lowest = np.iinfo(np.int64).min
        margins = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
        padded = np.pad(codes, margins, constant_values=lowest)
        windows = sliding_window_view(padded, kernel, axis=(2, 3))
        return windows[:, :, :: stride[0], :: stride[1]].max(axis=(4, 5))

    return step


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _real_function(
    layer: QuantLayer,
    weight: IntegerTensor,
    reader: ActivationQuantizer,
    between: list[tuple[str, nn.Module]],
) -> Callable[[Integers], Reals]:
    """Sums (batch, channels, ...) to real values: unit, bias, batch norm, activation."""
    size = len(weight.codes)
    unit = np.broadcast_to(weight.unit * with_codes(reader, np.zeros(0, np.int64)).unit, (size,))
    bias = np.zeros(size) if layer.bias is None else layer.bias.detach().numpy()

    def real(sums: Integers) -> Reals:
        shape = (1, -1, *[1] * (sums.ndim - 2))
        value = torch.from_numpy(sums * unit.reshape(shape) + bias.reshape(shape))
        for _, module in between:
            if isinstance(module, NORMS):
                factor, shift = _affine(module)
                value = value * factor.reshape(shape) + shift.reshape(shape)
            elif isinstance(module, MONOTONE):
                value = module(value)
        return value.numpy()

    return real


def _affine(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Batch norm in evaluation, as factor and shift."""
    if norm.running_mean is None or norm.running_var is None:
        raise ModelError("integer execution: batch norm has no running statistics")
    factor = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        factor = factor * norm.weight
    shift = -norm.running_mean * factor
    return factor, shift if norm.bias is None else shift + norm.bias


def _thresholds(
    layer: QuantLayer,
    weight: IntegerTensor,
    reader: ActivationQuantizer,
    real: Callable[[Integers], Reals],
    following: ActivationQuantizer,
) -> tuple[Integers, Integers]:
    """Bisect, for every channel and code, the least (turned) sum that reaches the code."""
    low_code, high_code = code_range(following.bits, following.signed)
    widest = np.abs(
        with_codes(reader, np.array(code_range(reader.bits, reader.signed))).numerators
    ).max()
    reach = np.abs(weight.numerators).reshape(len(weight.codes), -1).sum(1) * widest + 1
    ends = real(np.stack([-reach, reach]))
    direction = np.where(ends[1] >= ends[0], 1, -1)
    wanted = np.arange(low_code + 1, high_code + 1)

    def codes(turned: Integers) -> Integers:
        value = torch.from_numpy(real((turned * direction[:, None]).T))
        return activation_codes(following, value).to(torch.int64).numpy().T

    # invariant: code(low) < wanted <= code(high), at the ends by definition
    low = np.broadcast_to(-reach[:, None], (len(reach), len(wanted))).copy()
    high = -low + 1
    low -= 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = codes(middle) >= wanted
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    return direction, high
