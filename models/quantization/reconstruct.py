"""Post-training quantization by outputs: choose codes that keep what a layer computes.

Rounding each weight to its nearest level minimizes the error of the weights. What counts is the
error of the outputs on real inputs, whose elements are correlated: the error made on one weight
can be repaid by the next. Layer by layer, with unlabelled inputs:

1. The target is the float network's output, read from the *quantized* network's input, so a
   layer also repairs what the layers before it did (a linear least-squares problem).
2. Columns are rounded one after the other, and the error of each is spread over the columns that
   are left (optimal brain surgeon; Frantar et al., "GPTQ", 2023).
3. Scale and bias are the least-squares ones for the codes found.

Codes, levels and scales are those of the layer's scheme, so hardware sees no difference.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import ModelError
from models.quantization.convert import quantized_layers
from models.quantization.fit import best_step
from models.quantization.layers import QuantConv2d, QuantLinear
from models.quantization.levels import TINY, weight_codes
from models.quantization.specification import WeightSpecification, code_range

SCALES = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25)
"""Scales that are tried, as shares of the one that fits the weights best."""
DAMPING = 0.01
ROWS = 20_000


@dataclass(frozen=True)
class _Statistics:
    """Second moments of a layer's inputs and its target, means removed.

    `moment` is E[x xᵀ], shape (k, k); `weight` the least-squares weight, shape (outputs, k).
    """

    moment: Tensor
    weight: Tensor
    input_mean: Tensor
    target_mean: Tensor


@torch.no_grad()
def reconstruct(network: nn.Module, inputs: Tensor) -> nn.Module:
    """Round the weights of a quantized network for the sake of its outputs, in place.

    Parameters
    ----------
    network : nn.Module
        Weights quantized per tensor or per channel with ``vecq`` or ``ternary``; convolutions in
        groups and other schemes are left as they are. Layers are taken in the order of
        definition. Calibrated, if its activations are quantized.
    inputs : Tensor
        A few hundred unlabelled inputs.

    Returns
    -------
    nn.Module
        `network`, whose weights now lie on their levels.
    """
    if len(inputs) == 0:
        raise ModelError("reconstruction: no inputs were given")
    training = network.training
    network.eval()
    reference = copy.deepcopy(network)
    for _, layer in quantized_layers(reference):
        layer.set_quantizers(None, None)
    twins = dict(quantized_layers(reference))
    for name, layer in quantized_layers(network):
        specification = layer.weight_specification
        if specification is None or specification.scheme not in ("vecq", "ternary"):
            continue
        if isinstance(layer, QuantConv2d) and (layer.groups > 1 or isinstance(layer.padding, str)):
            continue
        statistics = _measure(network, layer, reference, twins[name], inputs)
        _round(layer, specification, statistics)
    return network.train(training)


def _measure(
    network: nn.Module,
    layer: QuantConv2d | QuantLinear,
    reference: nn.Module,
    twin: QuantConv2d | QuantLinear,
    inputs: Tensor,
) -> _Statistics:
    x = _rows(layer, layer.quantized_input(_read(network, layer, inputs)))
    float_x = _rows(twin, _read(reference, twin, inputs))
    stride = max(1, len(x) // ROWS)
    x, float_x = x[::stride].double(), float_x[::stride].double()
    weight = twin.weight.flatten(1).double()
    target = float_x @ weight.T
    input_mean, target_mean = x.mean(0), target.mean(0)
    x, target = x - input_mean, target - target_mean
    moment = x.T @ x / len(x)
    moment += DAMPING * moment.diagonal().mean().clamp_min(TINY) * torch.eye(len(moment))
    damped = x.T @ target / len(x) + (moment - x.T @ x / len(x)) @ weight.T
    return _Statistics(moment, torch.linalg.solve(moment, damped).T, input_mean, target_mean)


def _read(network: nn.Module, layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return what `layer` reads when the network runs."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    try:
        network(inputs)
    finally:
        hook.remove()
    if not seen:
        raise ModelError("reconstruction: a layer is never run")
    return seen[0]


def _rows(layer: QuantConv2d | QuantLinear, x: Tensor) -> Tensor:
    """Return the vectors that the layer's weight rows are multiplied with."""
    if isinstance(layer, QuantLinear):
        return x.flatten(0, -2)
    patches = functional.unfold(
        x,
        layer.kernel_size,
        layer.dilation,
        layer.padding,
        layer.stride,  # type: ignore[arg-type]
    )
    return patches.transpose(1, 2).flatten(0, 1)


def _round(
    layer: QuantConv2d | QuantLinear, specification: WeightSpecification, given: _Statistics
) -> None:
    weight = given.weight
    step = best_step(weight.float(), specification)
    _, fitted = weight_codes(
        weight, specification.bits, specification.scheme, specification.axis, step
    )
    half = 0.5 if specification.half_integer else 0.0
    ternary = specification.scheme == "ternary"
    low, high = (-1, 1) if ternary else code_range(specification.bits, True)
    best_error, best = float("inf"), weight
    for share in SCALES:
        levels = _spread_rounding(weight, fitted * share, half, low, high, given.moment)
        along = ((levels @ given.moment) * weight).sum(1, keepdim=True)
        length = ((levels @ given.moment) * levels).sum(1, keepdim=True)
        if specification.axis == -1:
            along, length = along.sum(), length.sum()
        scale = (along / length.clamp_min(TINY)).clamp_min(TINY)
        error = levels * scale - weight
        size = float(((error @ given.moment) * error).sum())
        if size < best_error:
            best_error, best, best_scale = size, levels * scale, scale
    bias = given.target_mean - best @ given.input_mean
    _store(layer, specification, best, best_scale, bias)


def _spread_rounding(
    weight: Tensor, scale: Tensor, half: float, low: int, high: int, moment: Tensor
) -> Tensor:
    """Round column by column, spreading each column's error over those that are left."""
    order = moment.diagonal().argsort(descending=True)
    inverse = torch.linalg.inv(moment[order][:, order])
    factor = torch.linalg.cholesky(inverse, upper=True)
    left = weight[:, order].clone()
    levels = torch.empty_like(left)
    column_scale = scale.reshape(-1) if scale.numel() > 1 else scale.reshape(1)
    for column in range(left.shape[1]):
        value = left[:, column]
        levels[:, column] = torch.round(value / column_scale - half).clamp(low, high) + half
        error = (value - levels[:, column] * column_scale) / factor[column, column]
        left[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
    result = torch.empty_like(levels)
    result[:, order] = levels
    return result


def _store(
    layer: QuantConv2d | QuantLinear,
    specification: WeightSpecification,
    weight: Tensor,
    scale: Tensor,
    bias: Tensor,
) -> None:
    """Put weights on their levels into the layer, with the step that reproduces them."""
    layer.weight.copy_(weight.reshape(layer.weight.shape))
    rows = layer.weight.flatten(1) if specification.per_channel else layer.weight.reshape(1, -1)
    deviation = rows.std(dim=1, unbiased=False).clamp_min(TINY)
    assert layer.step is not None
    layer.step.copy_(scale.flatten().to(deviation.dtype) / deviation)
    if layer.bias is not None:
        layer.bias.add_(bias.to(layer.bias.dtype))
