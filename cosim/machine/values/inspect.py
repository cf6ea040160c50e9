"""What a selected task reads and writes, in words and numbers: what screens and exports ask.

::

    look = Inspection(mapping)
    look.task("array", 17)                    # regions and tiles, without any values
    look.values("array", 17, timeline, reference)   # the numbers too: a replay up to its end
"""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array, OffLevel
from cosim.machine.values.replay import Progress, Replay, replay_until
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import Region, Slot, Task, tasks_of, tensors_of, whole
from cosim.mapping.row_gather import row_scatter
from cosim.timeline.timeline import Timeline
from cosim.workload.reference import Reference


@dataclass(frozen=True)
class TileValues:
    """What a task has at hand of one tensor, when it ends.

    Attributes
    ----------
    slot : Slot or None
        Its room in a staging buffer; None for what is kept in the scratchpad.
    region : Region or None
        The part of the tensor that it is, where it is one.
    values : array, shape (samples or 1, *region.sizes)
        Codes of quantized tensors, numbers of others.
    expected : array or None
        The same as PyTorch has it; None for partial sums.
    """

    name: str
    slot: Slot | None
    region: Region | None
    values: Array
    expected: Array | None

    @property
    def differing(self) -> int | None:
        """Elements that are not PyTorch's, None where it has none."""
        if self.expected is None:
            return None
        mine, other = np.broadcast_arrays(self.values, self.expected)
        return int((~((mine == other) | ((mine != mine) & (other != other)))).sum())


def no_such_task(
    component: str, ordinal: int, tasks: Mapping_[str, Sequence[object]]
) -> CosimError:
    """The error of a question about a task that a run does not have."""
    count = len(tasks.get(component, ()))
    return CosimError(
        f"component '{component}' has no task {ordinal}",
        expected=f"0 to {count - 1}" if count else f"one of {', '.join(tasks)}",
    )


def _at_hand(task: Task) -> tuple[Slot, ...]:
    """Tiles in buffers when a task ends; what was turned into another is no more."""
    if task.turned is None:
        return (*task.uses, *task.takes)
    return (*(s for s in task.uses if s.name != "sums"), *task.takes, task.turned)


def _region_of(run: Replay, task: Task, slot: Slot) -> Region | None:
    """The part of a tensor that a tile in a buffer holds."""
    if task.activity == "load" and slot in task.takes:
        return task.source
    if task.activity == "store":
        return task.target
    operands = ("streaming", "weight", "sums")
    if task.activity == "compute" and slot.name in operands:
        return task.boxes[operands.index(slot.name)]
    if task.activity == "epilogue" and slot.name in ("sums", "result"):
        return task.boxes[0 if slot.name == "sums" else 1]
    name = slot.name.removeprefix("result ")
    if not name.isdigit():
        return None
    parts = [region for region in task.boxes[2:] if str(region.tensor) == name]
    if task.activity == "elementwise":
        parts = [p for p in (run.piece_of(task, int(name)),) if p is not None]
    elif task.activity == "load" and slot.at:  # the indices of the rows that it loads
        piece = replace(task, piece=slot.at[0])
        parts = [p for p in (run.piece_of(piece, int(name)),) if p is not None]
    tensor = run.layout.tensors[int(name)]
    if not parts and tensor.elements == slot.elements:
        return whole(tensor)
    return parts[0] if parts else None


def _on_chip(run: Replay, task: Task) -> list[tuple[Region, bool]]:
    """Regions of tensors in the scratchpad, and whether the task writes them there."""
    group = run.mapping.grouping.groups[task.group]
    boxes = [(region, False) for region in task.boxes[:2]]
    if task.activity == "epilogue":
        boxes = [(region, region is task.boxes[1]) for region in task.boxes[1:]]
    elif task.activity == "fill" and task.source is not None:
        boxes = [(task.source, False)]
    elif task.activity == "elementwise":
        tensors = dict.fromkeys((*group.reads, *group.writes))
        pieces = [(run.piece_of(task, t), t in group.writes) for t in tensors]
        boxes = [(region, written) for region, written in pieces if region is not None]
    return [(region, written) for region, written in boxes if region.tensor in run.layout.chip]


def _expected(run: Replay, task: Task, region: Region, written: bool) -> Array | None:
    """A region as PyTorch has it, or as it was before the run, in the type that memory holds."""
    parts = run.picked(task, region, run.chip.writes if run.chip else 0)
    group = run.mapping.grouping.groups[task.group]
    tensor = region.tensor
    if row_scatter(group.ops[0], run.layout.tensors) and tensor in group.writes:
        return None  # rows that are not complete before the last piece
    made = [op.id for op in group.ops if tensor in op.outputs]
    readers = [op.id for op in group.ops if tensor in op.inputs]
    before = 1 + made[-1] if made and written else (readers or [group.ops[0].id])[0]
    values = run.expected(tensor, before)
    if not run.history.is_written(tensor, before):
        values = run.deployment.value(tensor)
    if values is None:
        return None
    code = run.layout.codes[tensor]
    try:
        codes = code.encode(values)
    except OffLevel:
        return None
    shaped = codes.reshape(len(codes), *region.shape)
    if region.transpose:
        shaped = shaped.transpose(0, *(1 + d for d in region.transpose))
    found = [shaped[(slice(None), *part.slices)] for part in parts]
    if len(found) == 1:
        return found[0]
    return np.stack([values[min(lane, len(values) - 1)] for lane, values in enumerate(found)])


class Inspection:
    """The tasks of a mapping, to be looked at one by one."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.tasks = tasks_of(mapping)
        self._tensors = tensors_of(mapping)

    def task(self, component: str, ordinal: int) -> dict[str, Any]:
        """A task as plain data: layer, activity, loops of its tile, regions, tiles in buffers.

        Raises
        ------
        CosimError
            There is no such task.
        """
        task = self._find(component, ordinal)
        group = self.mapping.grouping.groups[task.group]
        reads = [task.source] if task.source else []
        writes = [task.target] if task.target else []
        if task.activity == "compute":
            reads, writes = list(task.boxes[:2]), [task.boxes[2]]
        elif task.activity == "epilogue":
            reads, writes = list(task.boxes[2:]), [task.boxes[1]]
        return {
            "layer": group.name,
            "activity": task.activity,
            "tile": {loop: [start, start + size] for loop, start, size in task.tile},
            "reads": [self._region(r) for r in reads if r is not None],
            "writes": [self._region(r) for r in writes if r is not None],
            "takes": [self._slot(s) for s in task.takes],
            "uses": [self._slot(s) for s in task.uses],
            "frees": [self._slot(s) for s in task.frees],
        }

    def values(
        self, component: str, ordinal: int, timeline: Timeline, reference: Reference
    ) -> dict[str, Array]:
        """Elements of every tile that a task uses and takes, as the buffers hold them at its end.

        Codes of quantized tensors, numbers of others; shape (samples or 1, elements), in row-major
        order of the tile.
        """
        return {
            tile.name: tile.values.reshape(len(tile.values), -1)
            for tile in self.tiles(component, ordinal, timeline, reference) if tile.slot is not None
        }  # fmt: skip

    def tiles(
        self, component: str, ordinal: int, timeline: Timeline, reference: Reference,
        progress: Progress | None = None,
    ) -> list[TileValues]:  # fmt: skip
        """The same beside what PyTorch has there: buffers' tiles, then regions kept on chip.

        Raises
        ------
        ValueFault
            A task before it that reads what is not there.
        """
        task = self._find(component, ordinal)
        run = replay_until(self.mapping, timeline, reference, component, ordinal, progress)
        found = []
        for slot in _at_hand(task):
            region = _region_of(run, task, slot)
            values = run.elements(slot)
            if region is not None and region.elements == slot.elements:
                values = values.reshape(len(values), *region.sizes)
            expected = None
            if region is not None and slot.name != "sums":
                written = task.activity == "store" or (
                    slot in (*task.takes, task.turned) and task.activity != "load"
                )
                expected = _expected(run, task, region, written)
            found.append(TileValues(run.told(slot), slot, region, values, expected))
        held = {tile.region for tile in found}
        for region, written in _on_chip(run, task):
            if region not in held:
                assert run.chip is not None
                parts = run.picked(task, region, run.chip.writes)
                place = run.layout.chip[region.tensor]
                values = run.held(run.chip, place, parts, run.chip.writes)
                expected = _expected(run, task, region, written)
                found.append(
                    TileValues(f"{run.named(region)} on chip", None, region, values, expected)
                )
        return found

    def _find(self, component: str, ordinal: int) -> Task:
        listed = self.tasks.get(component)
        if listed is None or not 0 <= ordinal < len(listed):
            raise no_such_task(component, ordinal, self.tasks)
        return listed[ordinal]

    def _region(self, region: Region) -> dict[str, Any]:
        return {
            "tensor": self._tensors[region.tensor].name,
            "shape": list(region.shape),
            "box": [list(span) for span in region.box],
            "elements": region.elements,
        }

    def _slot(self, slot: Slot) -> dict[str, Any]:
        name = self._tensors[int(slot.name)].name if slot.name.isdigit() else slot.name
        return {"buffer": slot.buffer, "name": name, "at": list(slot.at), "bytes": slot.bytes}
