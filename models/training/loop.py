"""The training loop: epochs over shuffled batches, the same for the same seed.

Every epoch seeds its own shuffle and torch's generator, so a run that is interrupted and resumed
takes the same steps as one that is not. A loss that is not finite stops the run with an error
and leaves the checkpoint of the last whole epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models import networks
from models.errors import ModelError, unknown
from models.training.data import Dataset
from models.training.method import Method

SCHEDULES = ("constant", "cosine")
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
}
EVALUATION_BATCH = 1000

Progress = Callable[[int, int, int, float], None]
"""Called with epoch, step, steps an epoch and loss."""


@dataclass(frozen=True)
class Schedule:
    """Length and step size of a run.

    Parameters
    ----------
    epochs, batch : int
    learning_rate : float
        That of the first step.
    decay : str
        ``constant``, or ``cosine`` down to zero at the end of the last epoch.
    seed : int
    weight_decay : float
        Decoupled with ``adamw``, else added to the gradient.
    """

    epochs: int = 8
    batch: int = 128
    learning_rate: float = 1e-3
    decay: str = "constant"
    seed: int = 0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ModelError(f"{name}: {value!r}, expected a whole number >= 1")
        if not 0.0 < self.learning_rate < math.inf:
            raise ModelError(f"learning rate: {self.learning_rate!r}, expected above 0")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ModelError(f"weight decay: {self.weight_decay!r}, expected 0 or above")
        if self.decay not in SCHEDULES:
            raise unknown("decay", self.decay, SCHEDULES)

    def rate(self, epoch: float) -> float:
        """Return the learning rate after so many (fractions of) epochs."""
        if self.decay == "constant":
            return self.learning_rate
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * epoch / self.epochs))


def batches(dataset: Dataset, size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the shuffled training batches of an epoch.

    The last one may be smaller, but a single image that is left over waits for the next epoch:
    batch norm cannot be trained on one.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(dataset.train_targets), generator=generator)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        if len(chosen) == 1 < size and start > 0:
            return
        yield dataset.train_inputs[chosen], dataset.train_targets[chosen]


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    dataset: Dataset,
    schedule: Schedule,
    method: Method,
    epoch: int,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train for one epoch.

    Parameters
    ----------
    epoch : int
        From 1.

    Returns
    -------
    dict
        Mean cross-entropy ``loss`` and processor time ``cpu_seconds``.

    Raises
    ------
    ModelError
        If the loss is not finite.
    """
    torch.manual_seed(schedule.seed * 1_000_003 + epoch)
    model.train()
    images = len(dataset.train_targets)
    steps = math.ceil((images - (images % schedule.batch == 1 < schedule.batch)) / schedule.batch)
    began, total = time.process_time(), 0.0
    for step, (inputs, targets) in enumerate(
        batches(dataset, schedule.batch, schedule.seed, epoch)
    ):
        done = epoch - 1 + step / steps
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(done)
        optimizer.zero_grad(set_to_none=True)
        loss = networks.loss(model(inputs), targets)
        penalty = method.penalty(done)
        objective = loss if penalty is None else loss + penalty
        value = objective.item()
        if not math.isfinite(value):
            raise ModelError(
                f"training: the loss became {value} in epoch {epoch}, step {step + 1} of {steps} "
                f"(learning rate {schedule.rate(done):g}); a smaller learning rate may help"
            )
        objective.backward()
        optimizer.step()
        method.after_step(optimizer)
        total += loss.item() * len(targets)
        if progress is not None:
            progress(epoch, step + 1, steps, value)
    return {
        "loss": total / len(dataset.train_targets),
        "cpu_seconds": time.process_time() - began,
    }


@torch.no_grad()
def evaluate(model: nn.Module, dataset: Dataset) -> float:
    """Return the accuracy on the test part, 0 to 1; the module keeps its mode."""
    training = model.training
    model.eval()
    right = 0
    for start in range(0, len(dataset.test_targets), EVALUATION_BATCH):
        stop = start + EVALUATION_BATCH
        answer = model(dataset.test_inputs[start:stop]).argmax(1)
        right += int((answer == dataset.test_targets[start:stop]).sum())
    model.train(training)
    return right / len(dataset.test_targets)


def make_optimizer(name: str, model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Return an optimizer over all parameters that are trained.

    Raises
    ------
    ModelError
        For a name that does not exist.
    """
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    parameters: list[Any] = [p for p in model.parameters() if p.requires_grad]
    return OPTIMIZERS[name](
        parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
