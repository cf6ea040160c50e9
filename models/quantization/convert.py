"""Quantize a network: swap its layers, calibrate ranges, recompute batch-norm statistics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.errors import ModelError, unknown
from models.quantization.activation import ActivationQuantizer
from models.quantization.fit import best_step
from models.quantization.layers import QuantConv2d, QuantizedLayer, QuantLinear
from models.quantization.specification import ActivationSpecification, WeightSpecification


def quantize_network(
    network: nn.Module,
    bits_w: int | str = 8,
    bits_a: int | str = 32,
    scheme: str | None = None,
    activation_scheme: str | None = None,
    per_channel: bool = False,
    asymmetric: bool = False,
    keep: Collection[str] = (),
    fit: bool = True,
) -> nn.Module:
    """Replace the linear and convolution layers of a network by quantized ones, in place.

    Parameters and their names stay; only ``torch.nn.Linear`` and ``torch.nn.Conv2d`` themselves
    (no subclasses) are replaced. Layers already quantized get the new quantizers.

    Parameters
    ----------
    network : nn.Module
        Float network.
    bits_w : int or str
        1 to 8, ``"ternary"``, or 32 for float weights.
    bits_a : int
        1 to 8, or 32 for float activations.
    scheme : str, optional
        ``vecq`` (default), ``ternary``, ``sign``, ``twn``, ``min-max``, ``lsq``.
    activation_scheme : str, optional
        ``static`` (default), ``learned-clip``, ``sign`` (default at 1 bit).
    per_channel : bool
        One weight scale for each output channel.
    asymmetric : bool
        Activations with a zero point.
    keep : collection of str
        Dotted names of layers that stay as they are.
    fit : bool
        Fit the steps of ``vecq`` and ``ternary`` to the weights at hand (`fit_weight_steps`);
        otherwise they are the optima for normal weights.

    Returns
    -------
    nn.Module
        `network`, or the quantized layer if `network` is itself one layer.

    Raises
    ------
    ModelError
        For bits or schemes that do not exist, a name in `keep` that does not, and a network
        without any layer to quantize.
    """
    weight = WeightSpecification.parse(bits_w, scheme, per_channel)
    activation = ActivationSpecification.parse(bits_a, activation_scheme, asymmetric)
    layers = {name: module for name, module in network.named_modules() if _is_quantizable(module)}
    for name in keep:
        if name not in layers:
            raise unknown("layer to keep", name, layers)
    if weight is None and activation is None:
        return network
    if not layers:
        raise ModelError("quantize: the network has no linear or convolution layer")
    for name, module in layers.items():
        if name in keep:
            continue
        quantized = _quantized(module)
        # a network may say that a layer reads what a ReLU wrote
        signed = not getattr(module, "input_nonnegative", False)
        least = getattr(module, "input_bits_at_least", 0)
        quantized.set_quantizers(weight, _fitted(activation, least, signed), signed)
        quantized.input_nonnegative, quantized.input_bits_at_least = not signed, least
        if fit:
            fit_weight_steps(quantized)
        if name == "":
            return quantized
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, quantized)
    return network


def _fitted(
    activation: ActivationSpecification | None, least_bits: int, signed: bool
) -> ActivationSpecification | None:
    """The specification for one layer: an image keeps its bits, a ReLU's output has no sign."""
    if activation is None:
        return None
    bits, scheme = max(activation.bits, least_bits), activation.scheme
    if scheme == "sign" and (bits > 1 or not signed):
        scheme = "static"
    return ActivationSpecification(bits, scheme, activation.asymmetric)


def _is_quantizable(module: nn.Module) -> bool:
    return type(module) in (nn.Linear, nn.Conv2d) or isinstance(module, QuantizedLayer)


def _quantized(module: nn.Module) -> QuantLinear | QuantConv2d:
    if isinstance(module, QuantLinear | QuantConv2d):
        return module
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            raise ModelError(
                f"quantize: padding mode {module.padding_mode!r} is not supported, expected 'zeros'"
            )
        return QuantConv2d.like(module)
    assert isinstance(module, nn.Linear)
    return QuantLinear.like(module)


def quantized_layers(network: nn.Module) -> Iterator[tuple[str, QuantLinear | QuantConv2d]]:
    """Yield name and layer of every quantized layer, in the order of definition."""
    for name, module in network.named_modules():
        if isinstance(module, QuantLinear | QuantConv2d):
            yield name, module


@torch.no_grad()
def fit_weight_steps(network: nn.Module) -> nn.Module:
    """Set the step of every ``vecq`` and ``ternary`` layer to the best for its weights.

    Trained weights have heavier tails than normal ones: from 6 bits on, the optimum for normal
    weights can be worse than a plain min-max quantizer, the fitted step is not.

    Parameters
    ----------
    network : nn.Module
        A quantized network, or one quantized layer; changed in place.
    """
    for _, layer in quantized_layers(network):
        specification = layer.weight_specification
        if specification is not None and specification.scheme in ("vecq", "ternary"):
            assert layer.step is not None
            layer.step.copy_(best_step(layer.weight.detach(), specification))
    return network


def calibrate(network: nn.Module, batches: Iterable[Tensor], find_sign: bool = True) -> nn.Module:
    """Set the range of every activation quantizer from what passes through the float path.

    Parameters
    ----------
    network : nn.Module
        Quantized network; left in its mode (training or evaluation).
    batches : iterable of Tensor
        Inputs; a few hundred samples do.
    find_sign : bool
        Make quantizers unsigned where nothing negative passed.

    Raises
    ------
    ModelError
        Without batches, or when activations are not finite.
    """
    quantizers = [m for m in network.modules() if isinstance(m, ActivationQuantizer)]
    if not quantizers:
        return network
    with _mode(network, training=False), torch.no_grad():
        for quantizer in quantizers:
            quantizer.observe(True)
        try:
            for batch in batches:
                network(batch)
        finally:
            for quantizer in quantizers:
                quantizer._observing = False
        for quantizer in quantizers:
            quantizer.observe(False, find_sign)
    return network


def recalibrate_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Recompute the running statistics of batch norm as plain averages over `batches`.

    Quantized weights shift mean and variance of every layer's output; statistics measured with
    the quantized weights undo the shift without any training.

    Raises
    ------
    ModelError
        Without batches.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return network
    momenta = [norm.momentum for norm in norms]
    seen = 0
    with _mode(network, training=False), torch.no_grad():
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative average
            norm.train()
        for batch in batches:
            network(batch)
            seen += 1
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if seen == 0:
        raise ModelError("recalibration: no batches were given")
    return network


@contextmanager
def _mode(network: nn.Module, training: bool) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
