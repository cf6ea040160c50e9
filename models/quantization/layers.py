"""Linear and convolution layers that quantize what they read: weight and input.

Weights stay in floating point as the master copy and are quantized in every forward pass; the
input is quantized on the way in, so a layer's operands are both on their levels and the network
around it needs no change. Biases stay in floating point: they belong to the accumulator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.quantization.activation import ActivationQuantizer
from models.quantization.levels import weight_codes
from models.quantization.operators import quantize_weight
from models.quantization.specification import ActivationSpecification, WeightSpecification
from models.quantization.steps import gaussian_step, gaussian_ternary_step


class QuantizedLayer(nn.Module):
    """What `QuantLinear` and `QuantConv2d` share; not used alone.

    Attributes
    ----------
    weight_specification : WeightSpecification or None
    input_quantizer : ActivationQuantizer or None
    step : Tensor or None
        The weight grid's step: in standard deviations for ``vecq`` and ``ternary`` (a buffer),
        absolute for ``lsq`` (a parameter).
    """

    weight: nn.Parameter
    weight_specification: WeightSpecification | None
    input_quantizer: ActivationQuantizer | None
    step: Tensor | None

    def set_quantizers(
        self,
        weight: WeightSpecification | None,
        activation: ActivationSpecification | None,
        signed: bool = True,
    ) -> None:
        """Set how weight and input are quantized; None leaves them in floating point."""
        self.weight_specification = weight
        self.input_quantizer = (
            None if activation is None else ActivationQuantizer(activation, signed)
        )
        self.step = None
        if weight is None:
            return
        count = self.weight.shape[0] if weight.per_channel else 1
        if weight.scheme == "vecq":
            self._set_buffer(torch.full((count,), gaussian_step(weight.bits)))
        elif weight.scheme == "ternary":
            self._set_buffer(torch.full((count,), gaussian_ternary_step()))
        elif weight.scheme == "lsq":
            _, scale = weight_codes(self.weight.detach(), weight.bits, "lsq", weight.axis)
            del self.step
            self.step = nn.Parameter(scale.reshape(-1).clone())

    def _set_buffer(self, value: Tensor) -> None:
        del self.step
        self.register_buffer("step", value.to(self.weight.device))

    def quantized_weight(self) -> Tensor:
        """Return the weight on its levels (the weight itself if it is not quantized)."""
        specification = self.weight_specification
        if specification is None:
            return self.weight
        return quantize_weight(
            self.weight,
            specification.bits,
            specification.scheme,
            True,
            specification.axis,
            self.step,
        )

    def quantized_input(self, x: Tensor) -> Tensor:
        """Return the input on its levels (the input itself if it is not quantized)."""
        return x if self.input_quantizer is None else self.input_quantizer(x)

    def quantization_repr(self) -> str:
        """Return the quantizers in words, for `extra_repr`."""
        weight = self.weight_specification
        text = "float weight" if weight is None else f"{weight.bits}-bit {weight.scheme} weight"
        return text + (", per channel" if weight is not None and weight.per_channel else "")


class QuantLinear(nn.Linear, QuantizedLayer):
    """`torch.nn.Linear` with quantized weight and input."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``quantized(x) @ quantized(weight).T + bias``, shape (..., out_features)."""
        return functional.linear(self.quantized_input(x), self.quantized_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.quantization_repr()}"

    @classmethod
    def like(cls, layer: nn.Linear) -> QuantLinear:
        """Return a layer with the sizes, parameters and mode of `layer`; nothing is copied."""
        new = cls.__new__(cls)
        nn.Module.__init__(new)
        new.in_features, new.out_features = layer.in_features, layer.out_features
        return _adopt(new, layer)


class QuantConv2d(nn.Conv2d, QuantizedLayer):
    """`torch.nn.Conv2d` (zero padding) with quantized weight and input."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, shape (batch, out_channels, height, width)."""
        return self._conv_forward(self.quantized_input(x), self.quantized_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.quantization_repr()}"

    @classmethod
    def like(cls, layer: nn.Conv2d) -> QuantConv2d:
        """Return a layer with the sizes, parameters and mode of `layer`; nothing is copied."""
        new = cls.__new__(cls)
        nn.Module.__init__(new)
        for name in (
            "in_channels",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "transposed",
            "output_padding",
            "groups",
            "padding_mode",
            "_reversed_padding_repeated_twice",
        ):
            setattr(new, name, getattr(layer, name))
        return _adopt(new, layer)


def _adopt(new: Any, old: nn.Module) -> Any:
    new.weight, new.bias = old.weight, old.bias
    new.training = old.training
    return new
