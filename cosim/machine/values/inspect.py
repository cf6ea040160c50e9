"""What a selected task reads and writes, in words and numbers: what screens and exports ask.

::

    look = Inspection(mapping)
    look.task("array", 17)                    # regions and tiles, without any values
    look.values("array", 17, timeline, reference)   # the numbers too: a replay up to its end
"""

from __future__ import annotations

from typing import Any

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.machine.values.replay import replay_until
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import Region, Slot, Task, tasks_of, tensors_of
from cosim.timeline.timeline import Timeline
from cosim.workload.reference import Reference


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
        task = self._find(component, ordinal)
        return replay_until(self.mapping, timeline, reference, component, ordinal, task)

    def _find(self, component: str, ordinal: int) -> Task:
        listed = self.tasks.get(component)
        if listed is None or not 0 <= ordinal < len(listed):
            count = len(listed) if listed is not None else 0
            raise CosimError(
                f"component '{component}' has no task {ordinal}",
                expected=f"0 to {count - 1}" if count else f"one of {', '.join(self.tasks)}",
            )
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
