"""Weights and activations of 1 to 8 bits: quantizers, quantized layers, integer execution.

Every quantize step is an operator (`operators`) that carries bits, scheme and signedness, so a
captured operation stream knows its bit widths. `levels` holds the weight schemes, `steps` the
optimal steps they use, `layers` and `convert` put them into networks. After training, `fit` finds
the best step for a layer's own weights, `reconstruct` the best codes for its outputs.
`integer` says which integers a layer computes with, and `thresholds` runs chains in integers
throughout. Fixed-point training of tensorized layers lives in `models.tensor_train`.
"""

from models.quantization.activation import ActivationQuantizer
from models.quantization.convert import (
    calibrate,
    fit_weight_steps,
    quantize_network,
    quantized_layers,
    recalibrate_batch_norm,
)
from models.quantization.integer import (
    IntegerTensor,
    accumulate,
    integer_activation,
    integer_input,
    integer_weight,
    rescale,
    run_integer,
)
from models.quantization.layers import QuantConv2d, QuantLinear
from models.quantization.operators import quantize_activation, quantize_weight
from models.quantization.reconstruct import reconstruct
from models.quantization.specification import ActivationSpecification, WeightSpecification
from models.quantization.steps import gaussian_step, gaussian_ternary_step
from models.quantization.thresholds import IntegerNetwork, compile_integer

__all__ = [
    "ActivationQuantizer",
    "ActivationSpecification",
    "IntegerNetwork",
    "IntegerTensor",
    "QuantConv2d",
    "QuantLinear",
    "WeightSpecification",
    "accumulate",
    "calibrate",
    "compile_integer",
    "fit_weight_steps",
    "gaussian_step",
    "gaussian_ternary_step",
    "integer_activation",
    "integer_input",
    "integer_weight",
    "quantize_activation",
    "quantize_network",
    "quantize_weight",
    "quantized_layers",
    "recalibrate_batch_norm",
    "reconstruct",
    "rescale",
    "run_integer",
]
