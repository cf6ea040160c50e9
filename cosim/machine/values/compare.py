"""Every result against PyTorch's: where it differs first, and by how much.

Codes and whole numbers must be equal. A real number must lie in the interval that roundings alone
explain (`cosim.machine.values.intervals`), computed for each element from its own operands. For the
operands to be the same on both sides, PyTorch goes on from the machine's number wherever the two
differ and both are right: see `Following`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.machine.values.faults import Mismatch
from cosim.machine.values.intervals import Interval, group_interval, stored, wide_interval
from cosim.mapping.fusion import CONTRACTIONS, Group
from cosim.mapping.regions import Region, Task

if TYPE_CHECKING:
    from cosim.machine.values.state import State


@dataclass(frozen=True)
class Comparison:
    """One result of a layer beside the reference.

    Attributes
    ----------
    exact : bool
        Whether it had to be equal.
    differing : int
        Elements that differ by more than they may.
    largest : float
        Largest difference.
    share : float
        Largest part of the interval that a difference takes: 1 is its end.
    element : tuple of int
        First element that differs: sample, then index.
    """

    layer: str
    tensor: str
    samples: int
    elements: int
    exact: bool
    differing: int = 0
    largest: float = 0.0
    share: float = 0.0
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


@dataclass(frozen=True)
class Finished:
    """A result of a finished group, as the machine's memory holds it: real values."""

    position: int
    group: Group
    tensor: int
    values: Array


class Following:
    """Compares results as they come, with PyTorch following the machine's roundings.

    Up to the first real number that differs from PyTorch's and lies in its interval, results are
    compared at once. From there on they are kept; at the end PyTorch runs again, goes on from the
    machine's number at every floating-point result, and the kept ones are compared with what it
    makes of the same operands. So no difference is ever passed on, and every layer is held to the
    bound of its own arithmetic.
    """

    def __init__(self, run: State) -> None:
        self.run = run
        self.kept: list[Finished] = []
        self.given: dict[tuple[int, int], Array] = {}
        self.apart = False

    def take(self, found: Finished) -> Comparison | None:
        """Compare a result, or keep it until PyTorch has followed."""
        floating = not is_exact(self.run, found)
        if self.apart:
            self.kept.append(found)
            if floating:
                self.given[_origin(found)] = found.values
            return None
        comparison = compare(self.run, found)
        if floating and comparison.largest > 0.0:
            self.apart = True
            self.given[_origin(found)] = found.values
        return comparison

    def rest(self) -> list[Comparison]:
        """Comparisons of what was kept."""
        if not self.kept:
            return []
        if self.run.reference.follow is None:
            raise CosimError(
                "real numbers were added up in another order than PyTorch's; what follows cannot "
                "be compared without running PyTorch again",
                where=f"layer '{self.kept[0].group.name}'",
                expected="a reference that can be recorded again",
            )
        self.run.reference = self.run.reference.follow(self.given)
        return [compare(self.run, found) for found in self.kept]


def is_exact(run: State, found: Finished) -> bool:
    """Whether a result must be equal: whole numbers all the way."""
    if _sums_reals(run, found):
        return False
    code = run.layout.codes[found.tensor]
    return code.quantized or code.kind != "float"


def _sums_reals(run: State, found: Finished) -> bool:
    """Whether products that are not whole numbers were added up."""
    if found.group.anchor is not None:
        return run.array(found.position).sums.kind == "float"
    return any(op.kind in CONTRACTIONS for op in found.group.ops)


def _origin(found: Finished) -> tuple[int, int]:
    """The operation and position that made a result."""
    for op in reversed(found.group.ops):
        if found.tensor in op.outputs:
            return op.id, op.outputs.index(found.tensor)
    raise AssertionError("a group writes what none of its operations makes")


def compare(run: State, found: Finished) -> Comparison:
    """One result of a finished group against the reference."""
    group, values = found.group, found.values
    described = run.layout.tensors[found.tensor]
    exact, expected = is_exact(run, found), run.reference.made(*_origin(found))
    missing = Comparison(group.name, described.name, values.shape[0], 0, exact, compared=False)
    if expected is None:
        return missing
    shape = (max(values.shape[0], expected.shape[0]), *described.shape)
    mine, other = (np.broadcast_to(a, shape) for a in (values, expected))
    allowed = _allowed(run, found, expected)
    if allowed is None:
        return missing
    with np.errstate(invalid="ignore"):
        difference = np.abs(mine - other)
        inside = (mine >= allowed.low) & (mine <= allowed.high)
    wrong = ~(inside | (mine == other) | (np.isnan(mine) & np.isnan(other)))
    comparison = Comparison(
        group.name, described.name, shape[0], mine.size, exact, int(wrong.sum()),
        float(np.nan_to_num(difference).max(initial=0.0)),
        0.0 if exact else _share(mine, other, allowed),
    )  # fmt: skip
    if not comparison.differing:
        return comparison
    first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), shape))
    return replace(
        comparison, element=first, values=(float(mine[first]), float(other[first])),
        where=_written_by(run, found.position, found.tensor, first[1:]),
    )  # fmt: skip


def _allowed(run: State, found: Finished, expected: Array) -> Interval | None:
    """Where the elements of a result may lie; None if that cannot be told."""
    code, group = run.layout.codes[found.tensor], found.group
    allowed: Interval | None
    if is_exact(run, found):
        allowed = Interval(expected, expected)
    elif not _sums_reals(run, found):
        allowed = wide_interval(run, group, expected)
    else:
        # the array multiplies and adds in single precision or less, the host in double
        bits = 64 if group.anchor is None else min(32, run.array(found.position).sums.bits)
        allowed = group_interval(run, group, found.tensor, bits)
    if allowed is None:
        return None
    if code.quantized:  # on the same level: closer than half the distance of two levels
        near = 0.25 * float(np.min(np.abs(code.unit)))
        return Interval(allowed.low - near, allowed.high + near)
    return allowed if code.kind != "float" else stored(allowed, code.bits)


def _share(mine: Array, other: Array, allowed: Interval) -> float:
    """Largest part of its interval that an element's difference takes."""
    with np.errstate(invalid="ignore", divide="ignore"):
        room = np.where(mine >= other, allowed.high - other, other - allowed.low)
        share = np.where(mine == other, 0.0, np.abs(mine - other) / room)
    return float(np.nan_to_num(share, posinf=0.0).max(initial=0.0))


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
