"""What PyTorch computes for a workload's samples: from the cache, or recorded once.

The network is built again with the parameters wanted (a checkpoint, or the initial ones) and
PyTorch records what every operation makes of each sample. All of it is kept beside the captured
workload under the content that it depends on, so that a second run needs no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.fixed_point import reference_for
from cosim.machine.values.singles import stored_singles
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.template import AnyMapping
from cosim.workload.files import workload_hash
from cosim.workload.networks import called, content_key, kept_parameters
from cosim.workload.reference import Held, Reference, Results
from cosim.workload.reference_store import path_of, remembered
from cosim.workload.workload import Role, Workload

SHOWN = 16
"""Samples that the binary points of a machine without real numbers are chosen by."""


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
class SampleFacts:
    """What is known of the samples without their values.

    Attributes
    ----------
    checkpoint : str
        Whose parameters the network has; empty for the initial ones.
    runs : int
        Inputs of one run each.
    labels, expected : list of int
        What is right, and what PyTorch says in single precision; None without data.
    """

    checkpoint: str
    runs: int
    labels: list[int] | None = None
    expected: list[int] | None = None


_last: list[tuple[str, Reference]] = []
"""The reference used last: the same for every design that keeps the same results in memory."""


class ValueReference:
    """Reference values of a workload's samples.

    Raises
    ------
    CosimError
        Values that cannot be had: the workload names no network, the checkpoint is another
        network's, the data do not fit.
    """

    def __init__(self, workload: Workload, options: ValueOptions) -> None:
        self.workload, self.options = workload, options
        name, given = _origin(workload)
        asked = {
            "network": name, "options": dict(given), "workload": workload_hash(workload),
            "data": options.data, "dataset": options.dataset if options.data else "",
            "checkpoint": options.checkpoint,
        }  # fmt: skip
        files = [Path(text) for text in (options.checkpoint, options.dataset) if text]
        content = [Path(__file__), *kept_parameters(), *(file for file in files if file.is_file())]
        self.key = content_key(asked, content)

    @cached_property
    def facts(self) -> SampleFacts:
        path = path_of(self.key).with_suffix(".json")
        with contextlib.suppress(OSError, ValueError, TypeError):
            return SampleFacts(**json.loads(path.read_text(encoding="utf-8")))
        facts = self._live.facts()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.with_suffix(f".{os.getpid()}.part")
            half.write_text(json.dumps(asdict(facts)), encoding="utf-8")
            os.replace(half, path)
        return facts

    def of_machine(self, mapping: AnyMapping, start: int, count: int) -> Reference:
        """Values of some of the samples as the memory of a machine holds them."""
        if isinstance(mapping, PipelineMapping):  # nothing but codes and sums
            return self.part(start, count, frozenset())
        single = stored_singles(mapping)
        return reference_for(
            mapping, lambda rounded, held: self.part(start, count, rounded, held),
            lambda: self.part(0, min(SHOWN, self.facts.runs), single),
        )  # fmt: skip

    def part(
        self, start: int, count: int, single: frozenset[tuple[int, int]], held: Held | None = None
    ) -> Reference:
        """Values of some of the samples.

        Parameters
        ----------
        single : set of (operation, position)
            Results that the machine's memory rounds to single precision.
        held : Held, optional
            What a machine without real numbers makes of them.
        """
        rounded = hashlib.sha256(repr(sorted(single)).encode()).hexdigest()[:12]
        key = f"{self.key}-{start}-{count}-{rounded}" + (f"-{held.digest()}" if held else "")
        for known, reference in _last:
            if known == key:
                return reference

        def record(given: Results | None) -> Reference:
            return self._live.record(start, count, single, held, given)

        reference = remembered(key, record)
        _last[:] = [(key, reference)]
        return reference

    @cached_property
    def _live(self) -> _Live:
        network = _network(self.workload, self.options)
        return _Live(self.workload, network, *_samples(self.workload, network, self.options))


@dataclass(frozen=True)
class _Network:
    model: Any
    name: str
    options: Mapping[str, Any]
    checkpoint: str
    inputs: Any = None
    """Of one run of a user's own network; None for a network of the project."""


@dataclass(frozen=True)
class _Live:
    """The network and its samples: needs torch."""

    workload: Workload
    network: _Network
    samples: list[Any]
    labels: Any

    def facts(self) -> SampleFacts:
        if self.labels is None:
            return SampleFacts(self.network.checkpoint, len(self.samples))
        from cosim.workload.capture import answers

        said = [classes(a[None]) for a in answers(self.network.model, self.samples)]
        expected = np.concatenate(said)[: len(self.labels)]
        return SampleFacts(
            self.network.checkpoint, len(self.samples), self.labels.tolist(), expected.tolist()
        )

    def record(
        self, start: int, count: int, single: frozenset[tuple[int, int]], held: Held | None,
        given: Results | None,
    ) -> Reference:  # fmt: skip
        from cosim.workload.capture import record_values
        from models import networks

        network, samples = self.network, self.samples[start : start + count]
        training: dict[str, Any] = {}
        if self.workload.mode == "training":
            training = {"optimizer": self.workload.source.get("optimizer", "sgd")}
        if training and network.inputs is None:
            training |= {
                "loss": networks.loss,
                "target": networks.example_target(
                    network.name, batch=self.workload.batch, **network.options
                ),
            }
        return record_values(
            network.model, samples, self.workload, single=single, held=held, given=given,
            **training,
        )  # fmt: skip


def classes(logits: Any) -> Any:
    """Class of every sample, from (runs, batch, classes)."""
    return logits.reshape(-1, logits.shape[-1]).argmax(axis=1)


def _origin(workload: Workload) -> tuple[str, Mapping[str, Any]]:
    """The network that a workload was captured from, and its options."""
    name, given = workload.source.get("network"), workload.source.get("options") or {}
    if not isinstance(name, str) or not isinstance(given, dict):
        raise CosimError(
            "values were asked for a workload without values: it does not say which network it "
            "was captured from",
            where=f"workload '{workload.name}'",
            expected="a workload captured by a network's name, or by module:callable",
        )
    return name, given


def _network(workload: Workload, options: ValueOptions) -> _Network:
    name, given = _origin(workload)
    where = f"workload '{workload.name}'"
    try:
        from models import networks
        from models.errors import ModelError
    except ImportError as error:
        raise CosimError(
            f"values need PyTorch for the reference: {error}", where=where,
            expected="an installation with the extra 'train'",
        ) from error  # fmt: skip
    if ":" in name:
        return _own_network(workload, name, given, options)
    try:
        checkpoint = options.checkpoint or _kept(name, networks.resolve(name, given))
        if not checkpoint:
            from cosim.workload.capture import seeded

            with seeded():
                return _Network(networks.build(name, **given), name, given, "")
        return _loaded(checkpoint, name, networks.resolve(name, given), where)
    except ModelError as error:
        raise CosimError(str(error), where=where) from error


def _own_network(
    workload: Workload, name: str, given: Mapping[str, Any], options: ValueOptions
) -> _Network:
    """A network of ``module:callable``, with the parameters that the callable gives it."""
    if options.checkpoint:
        raise CosimError(
            f"checkpoint '{options.checkpoint}' is of a network of this project",
            where=f"workload '{workload.name}'",
            expected=f"no --checkpoint: '{name}' returns the network with its parameters",
        )
    shapes = [t.shape for t in workload.tensors if t.role is Role.INPUT]
    model, inputs = called(
        name, dict(given), workload.batch, shapes[0][1:] if shapes and shapes[0] else None
    )
    return _Network(model, name, given, "", _without_placeholders(inputs))


def _without_placeholders(inputs: Any) -> Any:
    """Example inputs, with normal values for real numbers that are all the same.

    ``torch.zeros(1, 3, 224, 224)`` says a shape and no picture: nothing would be proven by it.
    """
    from cosim.workload.capture import normal_input

    if isinstance(inputs, (tuple, list)):
        return type(inputs)(_without_placeholders(x) for x in inputs)
    if isinstance(inputs, dict):
        return {key: _without_placeholders(x) for key, x in inputs.items()}
    if getattr(inputs, "is_floating_point", bool)() and inputs.numel() > 1:
        values = inputs.detach()
        if bool((values == values.flatten()[0]).all()):
            return normal_input(tuple(inputs.shape)).to(inputs.dtype)
    return inputs


def _kept(name: str, resolved: Mapping[str, Any]) -> str:
    """The kept checkpoint of a network with these options, or none."""
    from models import checkpoints, networks

    for kept in checkpoints.names():
        record = checkpoints.record(kept)
        # what a record does not say is the network's default, not what was asked for
        if record["network"] == name and networks.resolve(name, record["options"]) == resolved:
            return str(kept)
    return ""


def _loaded(checkpoint: str, name: str, resolved: Mapping[str, Any], where: str) -> _Network:
    from models import checkpoints, networks
    from models.training.checkpoint import load_network

    path = Path(checkpoint)
    file = path if path.suffix else checkpoints.path(checkpoint)
    model, read = load_network(file)
    stored = networks.resolve(read.network, read.options)
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


def _samples(workload: Workload, network: _Network, options: ValueOptions) -> tuple[list[Any], Any]:
    """Inputs of one run each, and the labels of all of them."""
    from models import networks

    name, given = _origin(workload)
    if not options.data:
        if network.inputs is not None:
            return [network.inputs], None
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
    if network.inputs is not None:
        first = network.inputs[0] if isinstance(network.inputs, (tuple, list)) else network.inputs
        shape = tuple(getattr(first, "shape", ()))[1:]
    else:
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
