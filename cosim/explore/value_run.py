"""A simulated point with real numbers: does the machine compute the network, and how well?

PyTorch's values come from `cosim.explore.value_reference`, and the run is carried out in numbers.
Nothing of the timing changes: every task of the timeline is carried out at its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.explore.value_reference import ValueOptions, ValueReference, classes
from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.bounds import Bound, accumulator_bounds
from cosim.machine.values.compare import Comparison
from cosim.machine.values.pipeline.replay import replay_pipeline
from cosim.machine.values.replay import replay
from cosim.machine.values.state import Outcome
from cosim.mapping.mapping import Mapping
from cosim.simulate import Simulation
from cosim.workload.reference import Reference
from cosim.workload.workload import Role

LANE_BYTES = 96 << 20
"""Memory that samples carried out side by side may take."""


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
    mapping = simulation.mapping
    values = ValueReference(simulation.workload, options)
    facts = values.facts
    strict = options.arithmetic == Arithmetic()
    lanes = _lanes(simulation, facts.runs)
    bounds: list[Bound] = []
    parts: list[Outcome] = []
    said: list[Any] = []
    for start in range(0, facts.runs, lanes):
        reference = values.of_machine(mapping, start, min(lanes, facts.runs - start))
        if not bounds and isinstance(mapping, Mapping):
            bounds = accumulator_bounds(mapping, reference, simulation.workload)
            for bound in bounds:
                if warn is not None and not bound.fits:
                    warn(str(bound))
        done = start / facts.runs

        def told(step: int, total: int, done: float = done) -> None:
            if progress is not None:
                progress(done + step / total * lanes / facts.runs)

        outcome = _carried_out(simulation, reference, options, strict, told)
        parts.append(outcome)
        if facts.labels is not None:
            said.append(classes(_logits(simulation, outcome)))
    labels = None if facts.labels is None else np.array(facts.labels)
    return ValueResult(
        facts.checkpoint, facts.runs * simulation.workload.batch, _merged(parts), bounds,
        sorted({name for part in parts for name in part.taken}),
        sum(part.overflows for part in parts),
        None if labels is None else np.concatenate(said)[: len(labels)],
        None if facts.expected is None else np.array(facts.expected), labels,
    )  # fmt: skip


def _carried_out(
    simulation: Simulation, reference: Reference, options: ValueOptions, strict: bool,
    told: Callable[[int, int], None],
) -> Outcome:  # fmt: skip
    mapping, timeline = simulation.mapping, simulation.result.timeline
    if isinstance(mapping, Mapping):
        return replay(
            mapping, timeline, reference, arithmetic=options.arithmetic,
            stop_at_difference=strict, progress=told,
        )  # fmt: skip
    if not strict:
        raise CosimError(
            "the engines of a pipeline have accumulators as wide as their sums, and thresholds "
            "instead of scales",
            where=f"design '{mapping.design.name}'",
            expected="--values without --rescale and --overflow",
        )
    return replay_pipeline(mapping, timeline, reference, progress=told)


def _lanes(simulation: Simulation, samples: int) -> int:
    """Samples that are carried out side by side."""
    mapping = simulation.mapping
    if not isinstance(mapping, Mapping):
        return min(samples, 64)
    bytes_ = mapping.memory.extent
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
