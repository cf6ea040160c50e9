"""Integer execution: what a quantized layer computes on an integer array, exactly.

A quantized tensor is integer codes with a scale. Half-integer levels (two-stage quantization has
no zero level) are handled exactly: with q = v - 1/2 the sum over v is Σ q x + 1/2 Σ x, so an
accelerator adds one extra sum of activations, or works with the odd numerators 2v = 2q + 1 and
half the scale. Here every tensor gives its `numerators`, whole numbers whose multiple by `unit`
is the real value; products and sums of numerators are exact in numpy's integers.

How to read a layer::

    weight = integer_weight(layer)     # codes, scale, zero_point, half_integer, bits
    x = integer_input(layer, inputs)   # the same for the activations it reads
    sums = accumulate(layer, x, weight)          # int64, exact
    outputs = rescale(layer, sums, x, weight)    # real, bias added
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import ModelError
from models.quantization.activation import ActivationQuantizer
from models.quantization.convert import quantized_layers
from models.quantization.layers import QuantConv2d, QuantLinear
from models.quantization.levels import TINY, weight_codes
from models.quantization.specification import code_range

QuantLayer = QuantConv2d | QuantLinear
Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class IntegerTensor:
    """Integer codes and what they stand for: ``scale * (code + half - zero_point)``.

    Parameters
    ----------
    codes : int64 array
        -2^(bits-1) to 2^(bits-1)-1 if signed, else 0 to 2^bits-1.
    scale : float64 array
        Shape (1,) or one for each output channel (axis 0 of `codes`).
    zero_point : int
    half_integer : bool
        Whether 1/2 is added to every code.
    bits, signed, scheme
        As the quantizer has them.
    """

    codes: Integers
    scale: Reals
    zero_point: int
    half_integer: bool
    bits: int
    signed: bool
    scheme: str

    @property
    def numerators(self) -> Integers:
        """Whole numbers whose multiple by `unit` is the real value."""
        return 2 * self.codes + 1 if self.half_integer else self.codes - self.zero_point

    @property
    def unit(self) -> Reals:
        """Real value of numerator 1; shape of `scale`."""
        return self.scale / 2.0 if self.half_integer else self.scale

    @property
    def real(self) -> Reals:
        """Real values, shape of `codes`."""
        unit = self.unit
        if unit.size > 1:
            unit = unit.reshape(-1, *[1] * (self.codes.ndim - 1))
        return self.numerators * unit


@torch.no_grad()
def integer_weight(layer: QuantLayer) -> IntegerTensor:
    """Return the weight of a quantized layer as integers, in the precision the layer computes in.

    Raises
    ------
    ModelError
        If the layer has a float weight.
    """
    specification = layer.weight_specification
    if specification is None:
        raise ModelError("integer execution: a layer has a float weight, expected bits_w of 1 to 8")
    codes, scale = weight_codes(
        layer.weight, specification.bits, specification.scheme, specification.axis, layer.step
    )
    return IntegerTensor(
        codes.to(torch.int64).numpy(),
        scale.to(torch.float64).flatten().numpy(),
        0,
        specification.half_integer,
        specification.bits,
        True,
        specification.scheme,
    )


def integer_input(layer: QuantLayer, x: Tensor) -> IntegerTensor:
    """Return a layer's real input as the integers that its quantizer makes of it.

    Raises
    ------
    ModelError
        If the layer reads float activations.
    """
    return integer_activation(_quantizer(layer), x)


def _quantizer(layer: QuantLayer) -> ActivationQuantizer:
    if layer.input_quantizer is None:
        raise ModelError(
            "integer execution: a layer reads float activations, expected bits_a of 1 to 8"
        )
    return layer.input_quantizer


@torch.no_grad()
def integer_activation(quantizer: ActivationQuantizer, x: Tensor) -> IntegerTensor:
    """Return real activations as integers, rounded in the precision of `x`."""
    return with_codes(quantizer, activation_codes(quantizer, x).to(torch.int64).numpy())


def activation_codes(quantizer: ActivationQuantizer, x: Tensor) -> Tensor:
    """Return the codes of real activations as whole numbers in the type of `x`."""
    size = quantizer.scale.detach().abs().clamp_min(TINY).to(x.dtype)
    if quantizer.specification.scheme == "sign":
        return torch.where(x >= 0, 0.0, -1.0).to(x.dtype)
    low, high = code_range(quantizer.bits, quantizer.signed)
    return (torch.round(x / size) + quantizer.zero_point.to(x.dtype)).clamp(low, high)


def with_codes(quantizer: ActivationQuantizer, codes: Integers) -> IntegerTensor:
    """Return codes with the scale and zero point of an activation quantizer."""
    sign = quantizer.specification.scheme == "sign"
    scale = quantizer.scale.detach().abs().clamp_min(TINY).to(torch.float64).numpy()
    return IntegerTensor(
        codes,
        2.0 * scale if sign else scale,
        int(quantizer.zero_point.item()),
        sign,
        quantizer.bits,
        quantizer.signed,
        quantizer.specification.scheme,
    )


def accumulate(layer: QuantLayer, x: IntegerTensor, weight: IntegerTensor) -> Integers:
    """Return the exact integer sums of a layer, without bias.

    Parameters
    ----------
    layer : QuantConv2d or QuantLinear
        Gives kernel, stride, padding and groups.
    x, weight : IntegerTensor

    Returns
    -------
    int64 array
        Shape of the layer's output; in units of ``x.unit * weight.unit``.
    """
    if isinstance(layer, QuantLinear):
        return x.numerators @ weight.numerators.T
    return _convolve(layer, x.numerators, weight.numerators)


def _convolve(layer: QuantConv2d, x: Integers, weight: Integers) -> Integers:
    """Convolution as one integer matrix product a group; padding is the real value zero."""
    if isinstance(layer.padding, str):
        raise ModelError(f"integer execution: padding {layer.padding!r}, expected whole numbers")
    (up, left), (down, right) = layer.padding, layer.padding
    padded = np.pad(x, ((0, 0), (0, 0), (up, down), (left, right)))
    height, width = weight.shape[2:]
    (stride_h, stride_w), (dilation_h, dilation_w) = layer.stride, layer.dilation
    reach = (dilation_h * (height - 1) + 1, dilation_w * (width - 1) + 1)
    windows = sliding_window_view(padded, reach, axis=(2, 3))
    windows = windows[:, :, ::stride_h, ::stride_w, ::dilation_h, ::dilation_w]
    batch, _, rows, columns = windows.shape[:4]
    inputs, outputs = weight.shape[1], weight.shape[0] // layer.groups
    results = []
    for group in range(layer.groups):
        part = windows[:, group * inputs : (group + 1) * inputs]
        matrix = part.transpose(0, 2, 3, 1, 4, 5).reshape(batch * rows * columns, -1)
        kernel = weight[group * outputs : (group + 1) * outputs].reshape(outputs, -1)
        results.append((matrix @ kernel.T).reshape(batch, rows, columns, outputs))
    return np.concatenate(results, axis=3).transpose(0, 3, 1, 2)


def rescale(layer: QuantLayer, sums: Integers, x: IntegerTensor, weight: IntegerTensor) -> Reals:
    """Return the layer's real output: sums in their unit, plus the bias."""
    unit = weight.unit * x.unit
    bias = np.zeros(1) if layer.bias is None else layer.bias.detach().to(torch.float64).numpy()
    if isinstance(layer, QuantConv2d):
        unit, bias = unit.reshape(-1, 1, 1), bias.reshape(-1, 1, 1)
    return sums * unit + bias


@dataclass(frozen=True)
class LayerRecord:
    """What one layer did in `run_integer`."""

    name: str
    input: IntegerTensor
    weight: IntegerTensor
    sums: Integers


def run_integer(
    network: nn.Module, x: Tensor, precision: torch.dtype = torch.float64
) -> tuple[Tensor, list[LayerRecord]]:
    """Run a quantized network with every linear and convolution layer in integers.

    What lies between layers (normalization, ReLU, pooling, residual sums) is computed in
    `precision`; `models.quantization.thresholds` runs chains of layers in integers throughout.

    Parameters
    ----------
    network : nn.Module
        Quantized, weights and activations; run in evaluation mode.
    x : Tensor
        Real input.

    Returns
    -------
    output : Tensor
        In `precision`.
    records : list of LayerRecord
        In the order of execution.
    """
    twin = copy.deepcopy(network).eval().to(precision)
    records: list[LayerRecord] = []
    for name, layer in quantized_layers(twin):
        layer.forward = _integer_forward(name, layer, records)  # type: ignore[method-assign]
    if not any(True for _ in quantized_layers(twin)):
        raise ModelError("integer execution: the network has no quantized layer")
    with torch.no_grad():
        return twin(x.to(precision)), records


def _integer_forward(
    name: str, layer: QuantLayer, records: list[LayerRecord]
) -> Callable[[Tensor], Tensor]:
    weight = integer_weight(layer)

    def forward(x: Tensor) -> Tensor:
        codes = integer_input(layer, x)
        sums = accumulate(layer, codes, weight)
        records.append(LayerRecord(name, codes, weight, sums))
        real: Any = torch.from_numpy(rescale(layer, sums, codes, weight))
        return real.to(x.dtype)

    return forward
