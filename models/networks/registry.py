"""Networks by name: build one from keyword options, and get an input that fits it.

A network is a function with keyword parameters that returns a float module; `network` registers
it. Quantization options (`bits_w`, `bits_a`, ...) are added here, the same for every network that
has linear or convolution layers. A training step is, for every network, the cross-entropy of the
output against `example_target` (see `loss`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import ModelError, unknown

Options = Mapping[str, Any]
Shape = tuple[int, ...]

QUANTIZATION_OPTIONS: dict[str, Any] = {
    "bits_w": 32,
    "bits_a": 32,
    "scheme": None,
    "activation_scheme": None,
    "per_channel": False,
    "asymmetric": False,
}
"""Options of every quantizable network, as in `models.quantization.quantize_network`."""


@dataclass(frozen=True)
class Network:
    """One registered network.

    Parameters
    ----------
    name, summary : str
    factory : callable
        Keyword options to a float module.
    input_shape : callable
        Options to the shape of one input, without the batch axis.
    target_shape : callable
        Options to the shape of one target: ``()`` for one class an input.
    options : dict
        Every option with its default, quantization included.
    tokens : str
        Name of the option that bounds integer inputs (``vocabulary``); empty for real inputs.
    quantizable : bool
        Whether the registry applies the quantization options to the built module.
    training_batch : int
        Smallest batch of a training step: 2 where batch norm sees one value a channel and input.
    """

    name: str
    summary: str
    factory: Callable[..., nn.Module]
    input_shape: Callable[[Options], Shape]
    target_shape: Callable[[Options], Shape]
    options: dict[str, Any] = field(default_factory=dict)
    tokens: str = ""
    quantizable: bool = True
    training_batch: int = 1


_NETWORKS: dict[str, Network] = {}


def network(
    name: str,
    summary: str,
    input_shape: Callable[[Options], Shape],
    target_shape: Callable[[Options], Shape] = lambda options: (),
    tokens: str = "",
    quantizable: bool = True,
    training_batch: int = 1,
    **defaults: Any,
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Register the decorated factory; `defaults` override those of the quantization options."""

    def register(factory: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        options = {
            parameter.name: parameter.default
            for parameter in inspect.signature(factory).parameters.values()
        }
        if quantizable:
            options |= QUANTIZATION_OPTIONS | defaults
        _NETWORKS[name] = Network(
            name,
            summary,
            factory,
            input_shape,
            target_shape,
            options,
            tokens,
            quantizable,
            training_batch,
        )
        return factory

    return register


def names() -> list[str]:
    """Return the names of all networks, sorted."""
    return sorted(_NETWORKS)


def find(name: str) -> Network:
    """Return a registered network.

    Raises
    ------
    ModelError
        For a name that does not exist, with the nearest that does.
    """
    if name not in _NETWORKS:
        raise unknown("network", name, _NETWORKS)
    return _NETWORKS[name]


def resolve(name: str, options: Options) -> dict[str, Any]:
    """Return all options of a network, the given ones over the defaults, types checked.

    Raises
    ------
    ModelError
        For an unknown option, or a value of the wrong kind.
    """
    entry = find(name)
    for option, value in options.items():
        if option not in entry.options:
            raise unknown("option", option, entry.options, where=name)
        _check(name, option, value, entry.options[option])
    return {**entry.options, **options}


def _check(name: str, option: str, value: Any, default: Any) -> None:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ModelError(f"{name}: option {option} is {value!r}, expected true or false")
    elif isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ModelError(f"{name}: option {option} is {value!r}, expected a number above 0")
    elif isinstance(default, int) and option not in ("bits_w", "bits_a", "bits_g", "rank"):  # noqa: SIM102
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ModelError(f"{name}: option {option} is {value!r}, expected a whole number >= 1")


def build(name: str, **options: Any) -> nn.Module:
    """Build a network.

    The module is in training mode and carries ``network_name``, ``network_options`` (all of
    them), ``input_shape`` and ``num_classes``. Initial values come from torch's global generator.

    Parameters
    ----------
    name : str
        One of `names`.
    **options
        Those that `describe` lists; the rest keep their defaults.

    Raises
    ------
    ModelError
        For an unknown name or option, or a value that does not fit.
    """
    entry = find(name)
    resolved = resolve(name, options)
    own = {
        key: value
        for key, value in resolved.items()
        if not (entry.quantizable and key in QUANTIZATION_OPTIONS)
    }
    module = entry.factory(**own)
    if entry.quantizable:
        from models.quantization import quantize_network

        quantization = {key: resolved[key] for key in QUANTIZATION_OPTIONS}
        # initial weights are no distribution to fit; training fits when it starts
        module = quantize_network(module, **quantization, fit=False)
    module.network_name = name
    module.network_options = resolved
    module.input_shape = entry.input_shape(resolved)
    module.num_classes = resolved["num_classes"]
    return module


def describe(name: str, **options: Any) -> dict[str, Any]:
    """Return what a network is, as plain data.

    Keys: ``name``, ``summary``, ``options`` (with values), ``input_shape``, ``input_kind``
    (``real`` or ``tokens``), ``target_shape``, ``num_classes`` and ``training_batch``, the
    smallest batch that a training step takes.
    """
    entry = find(name)
    resolved = resolve(name, options)
    return {
        "name": name,
        "summary": entry.summary,
        "options": resolved,
        "input_shape": list(entry.input_shape(resolved)),
        "input_kind": "tokens" if entry.tokens else "real",
        "target_shape": list(entry.target_shape(resolved)),
        "num_classes": resolved["num_classes"],
        "training_batch": entry.training_batch,
    }


def example_input(name: str, batch: int = 1, seed: int = 0, **options: Any) -> Tensor:
    """Return an input that fits: normal values, or token numbers; shape (batch, *input_shape)."""
    entry = find(name)
    resolved = resolve(name, options)
    shape = (_batch(batch), *entry.input_shape(resolved))
    generator = torch.Generator().manual_seed(seed)
    if entry.tokens:
        return torch.randint(resolved[entry.tokens], shape, generator=generator)
    return torch.randn(shape, generator=generator)


def example_target(name: str, batch: int = 1, seed: int = 0, **options: Any) -> Tensor:
    """Return class numbers that fit the network's output; shape (batch, *target_shape)."""
    resolved = resolve(name, options)
    shape = (_batch(batch), *find(name).target_shape(resolved))
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(resolved["num_classes"], shape, generator=generator)


def _batch(batch: int) -> int:
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ModelError(f"batch: {batch!r}, expected a whole number >= 1")
    return batch


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy: the loss of every network's training step.

    Parameters
    ----------
    output : Tensor, shape (batch, num_classes, ...)
    target : Tensor of int64, shape (batch, ...)
    """
    return functional.cross_entropy(output, target)
