"""Every result against the reference: where it differs first, and by how much.

Codes and whole numbers must be equal. Real numbers may differ by what the order of additions in
single precision can do: `SUMS` of the largest magnitude in the tensor, or of what was added up to
make it, once the array has summed real numbers, `ROUNDING` of it while all sums are whole and only
the last rounding can differ. Codes that a quantizer makes of real sums may be the neighbouring ones
for one element in `NEIGHBOURS`: where a sum lies next to a rounding boundary. What is computed from
those is given the step of such a code as a further tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.machine.values.codes import Array, Code
from cosim.machine.values.faults import Mismatch
from cosim.mapping.fusion import Group
from cosim.mapping.regions import Region, Task

if TYPE_CHECKING:
    from cosim.machine.values.state import State

SUMS = 1e-4
"""Tolerance of real results where products were summed in single precision."""
ROUNDING = 2.0**-22
"""Tolerance of real results of whole sums: two roundings to single precision."""


NEIGHBOURS = 500
"""Of so many codes made of real sums, one may be the next one."""


@dataclass(frozen=True)
class Comparison:
    """One result of a layer beside the reference.

    Attributes
    ----------
    exact : bool
        Whether it had to be equal; `tolerance` is the largest difference allowed otherwise.
    differing : int
        Elements that differ by more.
    largest : float
        Largest difference.
    element : tuple of int
        First element that differs: sample, then index.
    """

    layer: str
    tensor: str
    samples: int
    elements: int
    exact: bool
    tolerance: float
    differing: int = 0
    largest: float = 0.0
    element: tuple[int, ...] = ()
    values: tuple[float, float] = (0.0, 0.0)
    where: str = ""
    """Task that wrote the element."""
    compared: bool = True

    @property
    def agrees(self) -> bool:
        return self.differing == 0

    def error(self) -> Mismatch:
        """The difference in one line."""
        sample, *index = self.element
        at = f"[{', '.join(map(str, index))}]"
        of = f" of sample {sample}" if self.samples > 1 else ""
        return Mismatch(
            f"'{self.tensor}'{at}{of} is {self.values[0]:g}, PyTorch has {self.values[1]:g}"
            f" ({self.differing} of {self.elements} elements differ){self.where}",
            where=f"layer '{self.layer}'",
        )


def compare_group(run: State, position: int, group: Group, tensor: int) -> Comparison:
    """One result of a finished group against the reference."""
    described = run.layout.tensors[tensor]
    values = run.value_of(tensor)
    expected = None
    for op in group.ops:
        for place, t in enumerate(op.outputs):
            if t == tensor:
                expected = run.reference.outputs.get((op.id, place))
    code = run.layout.codes[tensor]
    exact = code.quantized or code.kind != "float"
    if expected is None:
        return Comparison(group.name, described.name, values.shape[0], 0, exact, 0.0,
                          compared=False)  # fmt: skip
    shape = (max(values.shape[0], expected.shape[0]), *described.shape)
    mine, other = (np.broadcast_to(a, shape) for a in (values, expected))
    tolerance = 0.0
    if code.quantized:
        # on the same level: closer than half the distance of two levels
        tolerance = 0.25 * float(np.min(np.abs(code.unit)))
    elif not exact:
        tolerance = _tolerance(run, group, tensor, other)
    difference = np.abs(mine - other)
    if code.quantized and run.real_sums:
        tolerance = _allow_neighbours(run, code, difference, tolerance, other)
    wrong = ~((difference <= tolerance) | (mine == other) | (np.isnan(mine) & np.isnan(other)))
    if not wrong.any():
        largest = float(np.nanmax(difference)) if difference.size else 0.0
        return Comparison(group.name, described.name, shape[0], mine.size, exact, tolerance,
                          largest=largest)  # fmt: skip
    first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), shape))
    return Comparison(
        group.name, described.name, shape[0], mine.size, exact, tolerance, int(wrong.sum()),
        float(np.nanmax(difference)), first, (float(mine[first]), float(other[first])),
        _written_by(run, position, tensor, first[1:]),
    )  # fmt: skip


CANCELS = 1e-2
"""Results below this part of what was added up are what is left when it cancels."""


def _tolerance(run: State, group: Group, tensor: int, other: Array) -> float:
    """Difference allowed in a real result.

    Where terms cancel, what is left is uncertain by a part of the terms, and everything that is
    computed from it is as uncertain: that relative uncertainty is kept with the tensor.
    """
    magnitude = float(np.abs(other).max()) if other.size else 0.0
    if not run.real_sums:
        return magnitude * ROUNDING
    relative = max((run.uncertain.get(t, SUMS) for t in group.reads), default=SUMS)
    scale = max(magnitude, _scale(run, group))
    tolerance = (relative + run.slack) * scale
    if magnitude < CANCELS * scale:
        relative = tolerance / magnitude if magnitude else 1.0
    run.uncertain[tensor] = min(relative, 1e6)
    return tolerance


def _scale(run: State, group: Group) -> float:
    """Magnitude of what was added up."""

    def largest(tensor: int) -> float:
        values = run.expected(tensor, group.ops[0].id)
        return float(np.abs(values).max()) if values is not None and values.size else 0.0

    if group.anchor is not None:
        first, second = (largest(access.tensor) for access in group.anchor.accesses)
        return first * second
    return max((largest(t) for t in group.reads), default=0.0)


def _allow_neighbours(
    run: State, code: Code, difference: Array, tolerance: float, other: Array
) -> float:
    """Tolerance of codes made of real sums: a step, if few enough elements need it."""
    step = float(np.max(np.abs(code.unit))) * (2 if code.half_integer else 1)
    moved = int((difference > tolerance).sum())
    allowed = max(1, difference.size // NEIGHBOURS) if run.slack == 0 else difference.size // 20 + 1
    if not moved or moved > allowed:
        return tolerance
    largest = float(np.abs(other).max())
    run.slack = max(run.slack, 2.0 * step / largest if largest else 0.0)
    return 1.5 * step


def _written_by(run: State, position: int, tensor: int, index: tuple[int, ...]) -> str:
    """The task that wrote an element, for the message."""
    shape = run.layout.tensors[tensor].shape
    flat = int(np.ravel_multi_index(index, shape)) if shape else 0
    for component, tasks in run.tasks.items():
        for ordinal, task in enumerate(tasks):
            region = _result_region(task, tensor)
            if task.group == position and region is not None and _covers(region, flat):
                return f", tile {region} of task {ordinal} of {component}"
    return ", an element that no task writes"


def _result_region(task: Task, tensor: int) -> Region | None:
    if task.target is not None and task.target.tensor == tensor:
        return task.target
    if task.activity == "epilogue" and task.boxes[1].tensor == tensor:
        return task.boxes[1]
    return None


def _covers(region: Region, flat: int) -> bool:
    index: Array = np.array(np.unravel_index(flat, region.shape))
    if region.transpose:
        index = index[list(region.transpose)]
    return all(int(i) in range(*span) for i, span in zip(index, region.box, strict=True))
