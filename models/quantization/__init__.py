"""Weights and activations of 1 to 8 bits: quantizers, quantized layers, integer execution.

Every quantize step is an operator (`operators`) that carries bits, scheme and signedness, so a
captured operation stream knows its bit widths. `levels` holds the weight schemes, `steps` the
optimal steps they use, `layers` and `convert` put them into networks. Fixed-point training of
tensorized layers lives in `models.tensor_train`.
"""

from models.quantization.activation import ActivationQuantizer
from models.quantization.convert import (
    calibrate,
    quantize_network,
    quantized_layers,
    recalibrate_batch_norm,
)
from models.quantization.layers import QuantConv2d, QuantLinear
from models.quantization.operators import quantize_activation, quantize_weight
from models.quantization.specification import ActivationSpecification, WeightSpecification
from models.quantization.steps import gaussian_step, gaussian_ternary_step

__all__ = [
    "ActivationQuantizer",
    "ActivationSpecification",
    "QuantConv2d",
    "QuantLinear",
    "WeightSpecification",
    "calibrate",
    "gaussian_step",
    "gaussian_ternary_step",
    "quantize_activation",
    "quantize_network",
    "quantize_weight",
    "quantized_layers",
    "recalibrate_batch_norm",
]
