"""The training runs behind the figures: rank adaptation in float, low precision from scratch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import networks
from models.tensor_train.fixed_point import FixedPoint
from models.tensor_train.precision import Precision, fixed_precision, use_precision
from models.tensor_train.priors import RankShrinkage, warm_up
from models.tensor_train.results.engine import Widths, train_samples
from models.tensor_train.results.step import INPUT, two_core_network
from models.tensor_train.shrink import RankHistory, shrink_to_target
from models.training.data import Dataset

Report = Callable[[str], None]


@dataclass
class Outcome:
    """A trained network with what it took."""

    network: nn.Module
    accuracy: float
    parameters: int
    cpu_seconds: float
    history: list[dict[str, Any]] = field(default_factory=list)
    codes: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Adaptation:
    """Settings of a rank adaptation run.

    Parameters
    ----------
    target : int
        Largest number of parameters at the end.
    strength : float
        Weight of the prior in the loss.
    rank : int
        Cap of the ranks at the start.
    """

    target: int
    strength: float
    rank: int = 20
    epochs: int = 14
    batch: int = 128
    learning_rate: float = 2e-3
    threshold: float = 1e-2
    prune_every: int = 100


@torch.no_grad()
def accuracy(network: nn.Module, inputs: Tensor, targets: Tensor, batch: int = 1000) -> float:
    """Share of right answers in percent."""
    right = 0
    for start in range(0, len(targets), batch):
        scores = network(inputs[start : start + batch])
        right += int((scores.argmax(1) == targets[start : start + batch]).sum())
    return 100.0 * right / len(targets)


def decayed(rate: float, share: float) -> float:
    """Constant over the first third of a run, then linear to a hundredth."""
    return rate * min(1.0, (1.0 - share) * 1.5 + 0.01)


def adapt(data: Dataset, seed: int, settings: Adaptation, report: Report) -> Outcome:
    """Train the tensorized perceptron while its ranks shrink to a target size.

    The prior acts from epoch 1 (growing over two epochs) to half of the run; slices whose variance
    falls below the threshold are cut every hundred steps; at half time the least important slices
    above the target are cut; the second half trains at fixed ranks.
    """
    torch.manual_seed(seed)
    network = networks.build("tt-mlp", rank=settings.rank)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    prior, history = RankShrinkage(network), RankHistory()
    inputs, targets = data.train_inputs.flatten(1), data.train_targets
    started, steps = time.process_time(), 0
    per_epoch, half = len(targets) // settings.batch, settings.epochs / 2
    history.observe(network, 0)
    for epoch in range(settings.epochs):
        order = torch.randperm(len(targets))
        for number in range(per_epoch):
            now = epoch + number / per_epoch
            for group in optimizer.param_groups:
                group["lr"] = decayed(settings.learning_rate, now / settings.epochs)
            chosen = order[number * settings.batch : (number + 1) * settings.batch]
            loss = functional.cross_entropy(network(inputs[chosen]), targets[chosen])
            weight = settings.strength * warm_up(now, 1.0, 2.0) if now < half else 0.0
            if weight:
                prior.update()
                loss = loss + weight * prior.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if 2.0 < now < half and number % settings.prune_every == 0:
                prior.prune(optimizer, relative=settings.threshold)
                history.observe(network, steps)
        if epoch + 1 >= half and _size(network) > settings.target:
            shrink_to_target(network, settings.target, optimizer)
            history.observe(network, steps)
        report(f"seed {seed}, epoch {epoch + 1}/{settings.epochs}, {_size(network)} parameters")
    seconds = time.process_time() - started
    network.eval()
    reached = accuracy(network, data.test_inputs.flatten(1), data.test_targets)
    return Outcome(network, reached, _size(network), seconds, history.to_list())


def _size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def train_dense(data: Dataset, seed: int, report: Report, epochs: int = 5) -> Outcome:
    """The dense float32 network, Adam, batch 128."""
    torch.manual_seed(seed)
    network = networks.build("mlp")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    inputs, targets = data.train_inputs.flatten(1), data.train_targets
    started = time.process_time()
    for epoch in range(epochs):
        for chosen in torch.randperm(len(targets)).split(128):
            loss = functional.cross_entropy(network(inputs[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report(f"dense, seed {seed}, epoch {epoch + 1}/{epochs}")
    seconds = time.process_time() - started
    network.eval()
    reached = accuracy(network, data.test_inputs.flatten(1), data.test_targets)
    return Outcome(network, reached, _size(network), seconds)


@dataclass(frozen=True)
class LowPrecision:
    """Settings of a low-precision run: bits, ranks of the two layers, plain SGD of batch 1."""

    factor: int = 16
    activation: int = 8
    gradient: int = 8
    exponent: int = -14
    rank_1: int = 1
    rank_2: int = 8
    epochs: int = 3
    learning_rate: float = 0.01


def train_low_precision(
    data: Dataset, seed: int, settings: LowPrecision, report: Report
) -> Outcome:
    """Train from random factors in fixed point, one sample at a time, without any float copy."""
    torch.manual_seed(seed)
    network = two_core_network(settings.rank_1, settings.rank_2)
    widths = Widths(settings.factor, settings.activation, settings.gradient, settings.exponent)
    grid = FixedPoint(settings.factor, "stochastic", "power-of-two", settings.exponent)
    parameters = {
        name: grid.quantize(tensor.detach(), seed * 10 + n).double().numpy().copy()
        for n, (name, tensor) in enumerate(_tensors(network).items())
    }
    inputs, targets = _on_grid(data.train_inputs), data.train_targets.numpy()
    generator = np.random.default_rng(seed)
    images = inputs.double().numpy().reshape(-1, 28, 28)
    started, total = time.process_time(), settings.epochs * len(targets)
    for epoch in range(settings.epochs):
        order = generator.permutation(len(targets))
        done = np.arange(epoch * len(targets), (epoch + 1) * len(targets)) / total
        rates = settings.learning_rate * np.minimum(1.0, (1.0 - done) * 1.5 + 0.01)
        loss = train_samples(images, targets, order, parameters, rates, widths, 1000 * seed + epoch)
        report(f"low precision, seed {seed}, epoch {epoch + 1}/{settings.epochs}, loss {loss:.3f}")
    seconds = time.process_time() - started
    with torch.no_grad():
        for name, tensor in _tensors(network).items():
            tensor.copy_(torch.from_numpy(parameters[name]))
    use_precision(network, precision_of(settings))
    network.eval()
    # Sample by sample, as on the device: the shared exponent of a batch would be a coarser one.
    reached = accuracy(network, _on_grid(data.test_inputs), data.test_targets, 1)
    codes = {
        name: torch.from_numpy(value * 2.0**-settings.exponent).to(torch.int16)
        for name, value in parameters.items()
    }
    return Outcome(network, reached, _size(network), seconds, [], codes)


def precision_of(settings: LowPrecision) -> Precision:
    """The precision policy that the settings stand for."""
    return fixed_precision(settings.factor, settings.activation, settings.gradient)


def load_codes(codes: dict[str, Tensor], settings: LowPrecision) -> nn.Module:
    """The low-precision network of stored integer codes, ready for evaluation."""
    network = two_core_network(settings.rank_1, settings.rank_2)
    with torch.no_grad():
        for name, tensor in _tensors(network).items():
            tensor.copy_(codes[name].double() * 2.0**settings.exponent)
    use_precision(network, precision_of(settings))
    return network.eval()


def _on_grid(images: Tensor) -> Tensor:
    """Pixels 0..1 as the input's 8-bit fixed point in -0.5..1.5."""
    return INPUT.quantize(images.flatten(1) * 2.0 - 0.5)


def _tensors(network: Any) -> dict[str, Tensor]:
    """The trained tensors without boundary axes, by the engine's names."""
    first, second = network.fc1.weight.factors, network.fc2.weight.factors
    return {
        "g1": first[0].data[0],
        "g2": first[1].data[..., 0],
        "f1": second[0].data[0],
        "f2": second[1].data[..., 0],
        "bias": network.fc2.bias.data,
    }
