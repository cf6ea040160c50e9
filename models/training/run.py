"""Train a network by name: the function behind ``cosim train``.

The output folder holds ``last.safetensors`` (after every epoch, to resume from),
``best.safetensors`` (weights of the epoch that is best on held-out training images, with early
stop) and ``metrics.jsonl`` (one line an epoch).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import networks
from models.errors import ModelError
from models.quantization import calibrate, quantized_layers
from models.quantization.convert import fit_weight_steps
from models.training import checkpoint as files
from models.training.data import Dataset, load
from models.training.loop import Progress, Schedule, evaluate, make_optimizer, train_epoch
from models.training.method import Method
from models.training.progress import ProgressBar

CALIBRATION_IMAGES = 512
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Result:
    """What a training run came to.

    Parameters
    ----------
    network : str
    accuracy : float
        On the test set, 0 to 1, of the weights in `checkpoint`.
    parameters : int
    epochs : int
        Trained, resumed ones included.
    checkpoint : str
        Path of the weights.
    history : list of dict
        The lines of ``metrics.jsonl``.
    """

    network: str
    accuracy: float
    parameters: int
    epochs: int
    checkpoint: str
    history: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def run(
    network: str,
    options: Mapping[str, Any] | None = None,
    *,
    data: str | Path | Dataset | None = None,
    epochs: int = 8,
    batch: int = 128,
    learning_rate: float = 1e-3,
    decay: str = "constant",
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    seed: int = 0,
    method: Method | None = None,
    start_from: str | Path | None = None,
    patience: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    threads: int | None = None,
    quiet: bool = False,
) -> Result:
    """Train a network and keep its checkpoints.

    Parameters
    ----------
    network : str
        Name in `models.networks`.
    options : mapping, optional
        Options of the network.
    data : str, Path or Dataset, optional
        As `models.training.data.load`.
    epochs, batch, learning_rate, decay, weight_decay, seed
        See `models.training.loop.Schedule`.
    optimizer : str
        ``adam``, ``adamw``, ``sgd`` or ``momentum``.
    method : Method, optional
        E.g. `models.training.method.RankAdaptation`.
    start_from : path, optional
        Checkpoint whose weights to start from: float weights, for quantization-aware training.
    patience : int
        Stop after so many epochs without a better accuracy on a tenth of the training images that
        is held out for this; 0 trains to the end on all images.
    out : path, optional
        Output folder, by default ``runs/train/NETWORK``.
    resume : bool
        Go on from ``last.safetensors`` in the output folder.
    threads : int, optional
        Threads of torch, for the whole process; small networks are fastest with one.
    quiet : bool
        No progress bar.

    Raises
    ------
    ModelError
        For a mistake in any argument or file, and when the loss becomes non-finite.
    """
    schedule = Schedule(epochs, batch, learning_rate, decay, seed, weight_decay)
    if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
        raise ModelError(f"patience: {patience!r}, expected a whole number >= 0")
    if threads is not None:
        if threads < 1:
            raise ModelError(f"threads: {threads}, expected a whole number >= 1")
        torch.set_num_threads(threads)
    folder = Path(out) if out is not None else Path("runs") / "train" / network
    torch.manual_seed(seed)
    model = networks.build(network, **(options or {}))
    dataset = data if isinstance(data, Dataset) else load(data)
    if model.num_classes != 10 or tuple(model.input_shape) not in ((1, 28, 28), (784,)):
        raise ModelError(
            f"training: {network} takes {tuple(model.input_shape)} and {model.num_classes} "
            "classes, expected a network for 28x28 digits (mlp, tt-mlp, lenet5)"
        )
    least = networks.describe(network)["training_batch"]
    if batch < least:
        raise ModelError(
            f"batch: {batch}, {network} normalizes over the batch, expected {least} or more"
        )
    session = _Session(model, schedule, method or Method(), optimizer, folder, patience)
    if resume:
        session.resume()
    else:
        session.begin(dataset, start_from)
    with nullcontext() if quiet else ProgressBar(epochs) as bar:
        session.train(dataset, bar)
    return session.finish(dataset)


class _Session:
    """A run's state between epochs."""

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        method: Method,
        optimizer: str,
        folder: Path,
        patience: int,
    ) -> None:
        self.model, self.schedule, self.method = model, schedule, method
        self.folder, self.patience = folder, patience
        self.optimizer_name = optimizer
        self.optimizer: torch.optim.Optimizer | None = None
        self.history: list[dict[str, Any]] = []

    @property
    def last(self) -> Path:
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    def begin(self, dataset: Dataset, start_from: str | Path | None) -> None:
        """Start anew, from given weights or initial ones."""
        if start_from is not None:
            stored = files.read(start_from)
            files.load_weights(self.model, stored.weights, str(start_from))
        if any(True for _ in quantized_layers(self.model)):
            calibrate(self.model, [dataset.train_inputs[:: _stride(dataset)]])
            fit_weight_steps(self.model)
        self._prepare()

    def _prepare(self) -> None:
        self.method.prepare(self.model)
        self.optimizer = make_optimizer(self.optimizer_name, self.model, self.schedule)

    def resume(self) -> None:
        """Go on where the last checkpoint is."""
        stored = files.read(self.last)
        progress = stored.progress
        wanted = {**asdict(self.schedule), "optimizer": self.optimizer_name}
        given = {**progress["schedule"], "optimizer": progress["optimizer"]}
        if stored.network != self.model.network_name:
            raise ModelError(
                f"resume: {self.last} holds {stored.network}, expected {self.model.network_name}"
            )
        if stored.options != json.loads(json.dumps(self.model.network_options)):
            raise ModelError(f"resume: {self.last} was trained with options {stored.options}")
        for name in wanted:
            # more epochs than planned are welcome, unless the decay was laid out for fewer
            longer = name == "epochs" and self.schedule.decay == "constant"
            if wanted[name] != given[name] and not longer:
                raise ModelError(
                    f"resume: {name} is {wanted[name]!r}, expected {given[name]!r} as before"
                )
        files.load_weights(self.model, stored.weights, str(self.last))
        self._prepare()
        assert self.optimizer is not None
        self.optimizer.load_state_dict(stored.optimizer)
        self.history = progress["history"]

    def train(self, dataset: Dataset, progress: Progress | None) -> None:
        """Train the epochs that are left, writing a checkpoint after each."""
        assert self.optimizer is not None
        held = dataset.with_validation(VALIDATION_SHARE) if self.patience else dataset
        while len(self.history) < self.schedule.epochs and not self._should_stop():
            epoch = len(self.history) + 1
            line: dict[str, Any] = {"epoch": epoch}
            line |= train_epoch(
                self.model, self.optimizer, held, self.schedule, self.method, epoch, progress
            )
            line |= self.method.after_epoch(self.optimizer, epoch)
            line["validation_accuracy" if self.patience else "test_accuracy"] = evaluate(
                self.model, held
            )
            self.history.append(line)
            self._save()

    def _should_stop(self) -> bool:
        if not self.patience or not self.history:
            return False
        scores = [line["validation_accuracy"] for line in self.history]
        return len(scores) - 1 - scores.index(max(scores)) >= self.patience

    def _save(self) -> None:
        assert self.optimizer is not None
        weights = dict(self.model.state_dict())
        progress = {
            "schedule": asdict(self.schedule),
            "optimizer": self.optimizer_name,
            "history": self.history,
        }
        story = (self.model.network_name, self.model.network_options, weights, progress)
        if self.patience:
            scores = [line["validation_accuracy"] for line in self.history]
            if scores[-1] == max(scores):
                files.write(self.best, files.Checkpoint(*story))
        # the log first: the checkpoint is what counts, and says what the log must hold
        log = "".join(json.dumps(line) + "\n" for line in self.history)
        files.write_atomically(self.folder / "metrics.jsonl", log.encode())
        files.write(self.last, files.Checkpoint(*story, self.optimizer.state_dict()))

    def finish(self, dataset: Dataset) -> Result:
        """Return the result of the weights that count."""
        path = self.best if self.patience else self.last
        model, _ = files.load_network(path)
        return Result(
            network=self.model.network_name,
            accuracy=evaluate(model, dataset),
            parameters=sum(p.numel() for p in model.parameters()),
            epochs=len(self.history),
            checkpoint=str(path),
            history=self.history,
        )


def _stride(dataset: Dataset) -> int:
    return max(1, len(dataset.train_targets) // CALIBRATION_IMAGES)
