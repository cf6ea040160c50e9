"""A simulated point with real numbers: does the machine compute the network, and how well?

The network is built again with the parameters wanted (a checkpoint, or the initial ones), PyTorch
records what every operation makes of each sample, and the run is carried out in numbers. Nothing
of the timing changes: every task of the timeline is carried out at its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.bounds import Bound, accumulator_bounds
from cosim.machine.values.compare import Comparison
from cosim.machine.values.replay import replay
from cosim.machine.values.singles import stored_singles
from cosim.machine.values.state import Outcome
from cosim.simulate import Simulation
from cosim.workload.files import workload_hash
from cosim.workload.reference import Reference
from cosim.workload.workload import Role

LANE_BYTES = 96 << 20
"""Memory that samples carried out side by side may take."""


@dataclass(frozen=True)
class ValueOptions:
    """What `cosim run --values` was asked.

    Parameters
    ----------
    data : int
        Samples of the test set; 0 for one made-up input.
    checkpoint : str
        A kept checkpoint's name or a file; by default the kept one that fits, if there is one.
    dataset : str
        As `models.training.data.load` takes it.
    """

    data: int = 0
    checkpoint: str = ""
    dataset: str = "mnist-5k"
    arithmetic: Arithmetic = field(default_factory=Arithmetic)


@dataclass(frozen=True)
class ValueResult:
    """What a point computed.

    Attributes
    ----------
    samples : int
    comparisons : list of Comparison
        Every result of every layer, over all samples.
    classes, expected, labels : int array, shape (samples,)
        What the machine says, what PyTorch says in single precision, what is right; empty
        without data.
    bounds : list of Bound
        Of every layer that sums whole numbers.
    """

    checkpoint: str
    samples: int
    comparisons: list[Comparison]
    bounds: list[Bound]
    taken: list[str]
    overflows: int
    classes: Any = None
    expected: Any = None
    labels: Any = None

    @property
    def agrees(self) -> bool:
        return all(c.agrees for c in self.comparisons)

    @property
    def warnings(self) -> list[str]:
        """Accumulators that can overflow, operations taken from the reference."""
        said = [str(bound) for bound in self.bounds if not bound.fits]
        if self.taken:
            said.append(f"taken from PyTorch, not computed here: {', '.join(self.taken)}")
        return said

    def as_data(self) -> dict[str, object]:
        """For ``summary.json`` and ``--json``."""
        elements = sum(c.elements for c in self.comparisons)
        data: dict[str, object] = {
            "agrees": self.agrees,
            "samples": self.samples,
            "checkpoint": self.checkpoint,
            "layers": len(self.comparisons),
            "elements": elements,
            "differing": sum(c.differing for c in self.comparisons),
            "overflows": self.overflows,
            # 1 would be the end of the interval that roundings explain
            "largest_share_of_rounding_bound": max(
                (c.share for c in self.comparisons), default=0.0
            ),
            "warnings": self.warnings,
            "executor": "every task carried out in the order of the timeline",
        }
        if self.labels is not None and len(self.labels):
            data["accuracy"] = float(np.mean(self.classes == self.labels))
            data["pytorch_accuracy"] = float(np.mean(self.expected == self.labels))
            data["same_class"] = int(np.sum(self.classes == self.expected))
        return data


def value_run(
    simulation: Simulation,
    options: ValueOptions | None = None,
    progress: Callable[[float], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> ValueResult:
    """Carry out a simulated run in numbers.

    Parameters
    ----------
    progress : callable, optional
        Told now and then which part is done, 0 to 1.
    warn : callable, optional
        Told, before anything is computed, of every accumulator that can overflow.

    Raises
    ------
    CosimError
        Values that cannot be had, a network that is not the workload's, a difference, a task that
        reads what is not there, a sum that overflows.
    """
    options = options or ValueOptions()
    network = _network(simulation, options)
    samples, labels = _samples(simulation, options)
    strict = options.arithmetic == Arithmetic()
    single = stored_singles(simulation.mapping)
    lanes = _lanes(simulation, len(samples))
    bounds: list[Bound] = []
    parts: list[Outcome] = []
    classes: list[Any] = []
    for start in range(0, len(samples), lanes):
        reference = _record(simulation, network, samples[start : start + lanes], single)
        if not bounds:
            bounds = accumulator_bounds(simulation.mapping, reference)
            for bound in bounds:
                if warn is not None and not bound.fits:
                    warn(str(bound))
        done = start / len(samples)

        def told(step: int, total: int, done: float = done) -> None:
            if progress is not None:
                progress(done + step / total * lanes / len(samples))

        outcome = replay(
            simulation.mapping, simulation.result.timeline, reference,
            arithmetic=options.arithmetic, stop_at_difference=strict, progress=told,
        )  # fmt: skip
        parts.append(outcome)
        if labels is not None:
            classes.append(_classes(_logits(simulation, outcome)))
    expected = None
    if labels is not None:
        from cosim.workload.capture import answers

        expected = np.concatenate([_classes(a[None]) for a in answers(network.model, samples)])
    return ValueResult(
        network.checkpoint, len(samples) * simulation.workload.batch, _merged(parts), bounds,
        sorted({name for part in parts for name in part.taken}),
        sum(part.overflows for part in parts),
        None if labels is None else np.concatenate(classes)[: len(labels)],
        None if expected is None or labels is None else expected[: len(labels)], labels,
    )  # fmt: skip


# The network


@dataclass(frozen=True)
class _Network:
    model: Any
    name: str
    options: Mapping[str, Any]
    checkpoint: str


def _network(simulation: Simulation, options: ValueOptions) -> _Network:
    source = simulation.workload.source
    name = source.get("network")
    given = source.get("options") or {}
    where = f"workload '{simulation.workload.name}'"
    if not isinstance(name, str) or not isinstance(given, dict) or ":" in name:
        raise CosimError(
            "values were asked for a workload without values: it does not say which network of "
            "this project it was captured from",
            where=where,
            expected="a workload captured by a network's name",
        )
    try:
        from models import networks
        from models.errors import ModelError
    except ImportError as error:
        raise CosimError(
            f"values need PyTorch for the reference: {error}", where=where,
            expected="an installation with the extra 'train'",
        ) from error  # fmt: skip
    try:
        checkpoint = options.checkpoint or _kept(name, networks.resolve(name, given))
        if not checkpoint:
            from cosim.workload.capture import seeded

            with seeded():
                return _Network(networks.build(name, **given), name, given, "")
        return _loaded(checkpoint, name, networks.resolve(name, given), where)
    except ModelError as error:
        raise CosimError(str(error), where=where) from error


def _kept(name: str, resolved: Mapping[str, Any]) -> str:
    """The kept checkpoint of a network with these options, or none."""
    from models import checkpoints

    for kept in checkpoints.names():
        record = checkpoints.record(kept)
        if record["network"] == name and {**resolved, **record["options"]} == dict(resolved):
            return str(kept)
    return ""


def _loaded(checkpoint: str, name: str, resolved: Mapping[str, Any], where: str) -> _Network:
    from models import checkpoints
    from models.training.checkpoint import load_network

    path = Path(checkpoint)
    file = path if path.suffix else checkpoints.path(checkpoint)
    model, read = load_network(file)
    stored = {**resolved, **read.options}
    if read.network != name or stored != dict(resolved):
        differing = [key for key in resolved if stored.get(key) != resolved[key]]
        said = ", ".join(f"{key} {stored.get(key)!r}" for key in differing)
        wanted = ", ".join(f"{key} {resolved[key]!r}" for key in differing)
        raise CosimError(
            f"checkpoint '{checkpoint}' is of network '{read.network}'"
            + (f" with {said}" if said else ""),
            where=where,
            expected=f"network '{name}'" + (f" with {wanted}" if wanted else ""),
        )
    return _Network(model, name, resolved, checkpoint)


@lru_cache(maxsize=1)
def _dataset(name: str) -> Any:
    from models.training import data

    return data.load(name)


def _samples(simulation: Simulation, options: ValueOptions) -> tuple[list[Any], Any]:
    """Inputs of one run each, and the labels of all of them."""
    from models import networks

    workload = simulation.workload
    name, given = str(workload.source["network"]), dict(workload.source.get("options") or {})  # type: ignore[call-overload]
    if not options.data:
        return [networks.example_input(name, batch=workload.batch, **given)], None
    if workload.mode == "training":
        raise CosimError(
            "accuracy is measured on inference, the workload is a training step",
            where="--data", expected="an inference workload, or --values without --data",
        )  # fmt: skip
    from models.errors import ModelError

    try:
        dataset = _dataset(options.dataset)
    except ModelError as error:
        raise CosimError(str(error), where="--data") from error
    shape = tuple(networks.describe(name, **given)["input_shape"])
    if shape not in ((1, 28, 28), (784,)):
        raise CosimError(
            f"network '{name}' takes inputs of shape {shape}, the data are digits of 28x28",
            where="--data", expected="a network for digits, or --values without --data",
        )  # fmt: skip
    if options.data > len(dataset.test_targets):
        raise CosimError(
            f"{options.data} samples, '{dataset.name}' has {len(dataset.test_targets)} to test",
            where="--data", expected=f"1 to {len(dataset.test_targets)}",
        )  # fmt: skip
    picked = [
        round(i * (len(dataset.test_targets) - 1) / max(1, options.data - 1))
        for i in range(options.data)
    ]
    images = dataset.test_inputs[picked].reshape(-1, *shape)
    labels = dataset.test_targets[picked].numpy()
    missing = -len(images) % workload.batch  # the last run is filled up with its first samples
    index = [*range(len(images)), *range(missing)]
    runs = [
        images[index[i : i + workload.batch]] for i in range(0, len(index), workload.batch)
    ]  # fmt: skip
    return runs, labels


_recorded: list[tuple[tuple[object, ...], Reference]] = []
"""The reference recorded last: the same for every design that keeps the same results in memory."""


def _record(
    simulation: Simulation, network: _Network, samples: Sequence[Any],
    single: frozenset[tuple[int, int]],
) -> Reference:  # fmt: skip
    from cosim.workload.capture import record_values
    from models import networks

    workload = simulation.workload
    digest = hashlib.sha256(b"".join(s.numpy().tobytes() for s in samples)).hexdigest()
    key = (workload_hash(workload), network.checkpoint, digest, single)
    for known, reference in _recorded:
        if known == key:
            return reference
    if workload.mode == "inference":
        reference = record_values(network.model, samples, workload, single=single)
    else:
        reference = record_values(
            network.model, samples, workload, single=single, loss=networks.loss,
            target=networks.example_target(network.name, batch=workload.batch, **network.options),
            optimizer=workload.source.get("optimizer", "sgd"),
        )  # fmt: skip
    _recorded[:] = [(key, reference)]
    return reference


def _lanes(simulation: Simulation, samples: int) -> int:
    """Samples that are carried out side by side."""
    bytes_ = simulation.mapping.memory.extent
    bytes_ += sum(buffer.size_bytes for buffer in simulation.design.buffers)
    return max(1, min(samples, LANE_BYTES // max(1, bytes_), 256))


# Results


def _logits(simulation: Simulation, outcome: Outcome) -> Any:
    """The network's answer: the last activation that outlives the run."""
    tensors = {t.id: t for t in simulation.workload.tensors}
    found = [
        values for t, values in outcome.outputs.items() if tensors[t].role is Role.ACTIVATION
    ]  # fmt: skip
    if not found:
        raise CosimError("the network has no answer that outlives the run", where="--data")
    return found[-1]


def _classes(logits: Any) -> Any:
    """Class of every sample, from (runs, batch, classes)."""
    return logits.reshape(-1, logits.shape[-1]).argmax(axis=1)


def _merged(parts: list[Outcome]) -> list[Comparison]:
    """Comparisons of all samples, a layer each."""
    merged: dict[tuple[str, str], Comparison] = {}
    for part in parts:
        for c in part.comparisons:
            key = (c.layer, c.tensor)
            before = merged.get(key)
            if before is None:
                merged[key] = c
                continue
            first = before if before.differing else c
            merged[key] = replace(
                first, samples=before.samples + c.samples,
                elements=before.elements + c.elements, differing=before.differing + c.differing,
                largest=max(before.largest, c.largest), share=max(before.share, c.share),
            )  # fmt: skip
    return list(merged.values())
