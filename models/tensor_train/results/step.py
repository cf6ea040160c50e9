"""Memory of one training step of batch 1, for the networks of the results."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.tensor_train.fixed_point import FixedPoint
from models.tensor_train.layers import TTLinear
from models.tensor_train.optimizers import FixedPointOptimizer
from models.tensor_train.precision import Precision, fixed_point_parameters, use_precision
from models.tensor_train.results.engine import PATH
from models.tensor_train.results.memory import MemoryCount, StorageCounter

INPUT = FixedPoint(8, "nearest", "power-of-two", -6)
LEARNING_RATE = 0.01


def dense_network() -> nn.Sequential:
    """784-512-10 in float32."""
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(inplace=True), nn.Linear(512, 10))


def two_core_network(rank_1: int, rank_2: int) -> nn.Sequential:
    """784-512-10 with two TTM cores a layer, the network of low-precision training."""
    return nn.Sequential(
        OrderedDict(
            fc1=TTLinear((28, 28), (16, 32), (rank_1,), bias=False, path=PATH),
            relu=nn.ReLU(inplace=True),
            fc2=TTLinear((32, 16), (2, 5), (rank_2,), path=PATH),
        )
    )


def tensorized_network(ranks_1: tuple[int, ...], ranks_2: tuple[int, ...]) -> nn.Sequential:
    """784-512-10 in the modes of the literature, path searched for the smallest peak."""
    return nn.Sequential(
        TTLinear((4, 7, 4, 7), (4, 4, 8, 4), ranks_1, cost="peak_bytes"),
        nn.ReLU(inplace=True),
        TTLinear((16, 32), (2, 5), ranks_2, cost="peak_bytes"),
    )


def measure(
    network: nn.Module,
    method: str = "sgd",
    precision: Precision | None = None,
    immediate: bool = False,
    state_bits: int = 8,
    merge: bool = True,
) -> MemoryCount:
    """Run one step on one sample and count its memory.

    Parameters
    ----------
    network : nn.Module
    method : "sgd" or "adam"
    precision : a precision without master copy, or None for float32
    immediate : bool
        Update each parameter as soon as its gradient is there, and drop the gradient.
    state_bits : width of Adam's states in fixed point
    merge : see :meth:`StorageCounter.count`
    """
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(1, 784, generator=generator), torch.tensor([3])
    optimizer: torch.optim.Optimizer
    if precision is None:
        parameters = list(network.parameters())
        optimizer = (
            torch.optim.SGD(parameters, lr=LEARNING_RATE)
            if method == "sgd"
            else torch.optim.Adam(parameters, fused=True)
        )
    else:
        seeds = use_precision(network, precision)
        optimizer = FixedPointOptimizer(
            fixed_point_parameters(network, precision), LEARNING_RATE, seeds, method, state_bits
        )
        x = INPUT.quantize(x)
        x.bits = INPUT.bits  # type: ignore[attr-defined]

    def step() -> None:
        functional.cross_entropy(network(x), y).backward()
        if not immediate:
            optimizer.step()

    step()
    optimizer.step()
    optimizer.zero_grad()
    states = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, Tensor)]
    counter = StorageCounter(
        [
            *(("weight", p) for p in network.parameters()),
            *(("optimizer state", v) for v in states),
            ("input", x),
            ("input", y),
        ]
    )
    hooks = (
        [
            p.register_post_accumulate_grad_hook(_update(optimizer, counter))
            for p in network.parameters()
        ]
        if immediate
        else []
    )
    with counter:
        step()
    for hook in hooks:
        hook.remove()
    return counter.count((p.grad for p in network.parameters() if p.grad is not None), merge)


def _update(optimizer: torch.optim.Optimizer, counter: StorageCounter) -> Callable[[Tensor], None]:
    def update(parameter: Tensor) -> None:
        assert parameter.grad is not None
        counter.mark(parameter.grad, "gradient")
        if isinstance(optimizer, FixedPointOptimizer):
            optimizer.update(parameter, parameter.grad, LEARNING_RATE)
        else:
            with torch.no_grad():
                parameter.add_(parameter.grad, alpha=-LEARNING_RATE)
        parameter.grad = None

    return update
