"""Tasks of the array, and of what follows its tiles: epilogue and store."""

from __future__ import annotations

import numpy as np

from cosim.machine.values.array_values import ArrayValues
from cosim.machine.values.codes import Array
from cosim.machine.values.state import DoesNotFit, Since, State, about, key_of
from cosim.mapping.regions import Task


class ArrayTasks(State):
    """What tasks of groups on the array do to the state."""

    def _compute(self, task: Task, since: Since) -> None:
        array = self.array(task.group)
        slots = {slot.name: slot for slot in (*task.uses, *task.takes)}
        operands = []
        for which, name in enumerate(("streaming", "weight")):
            region, slot = task.boxes[which], slots.get(name)
            if slot is not None:
                values = self.read(slot, array.codes[which], region.sizes)
            else:
                values = self.on_chip(region, since[1])
            operands.append(values)
        sums = array.tile(task, operands[0], operands[1])
        target, part = slots["sums"], task.boxes[2]
        if task.first:
            request, _ = self.mapping.plans[task.group]
            before = array.start(
                self.whole_of(task, since), part, applied_here=not request.vector_cycles
            )
            sums = sums if before is None else before + sums
        else:
            sums = self.read(target, array.sums, part.sizes) + sums
        if array.sums.kind == "signed":
            sums = self._fitted(sums, array)
        self.write(target, array.sums, sums)

    def _fitted(self, sums: Array, array: ArrayValues) -> Array:
        largest = int(np.abs(sums).max()) if sums.size else 0
        if largest <= array.limit:
            return sums
        if self.arithmetic.overflow == "error":
            raise DoesNotFit(
                f"a sum of {largest} does not fit the accumulator of {array.sums.bits} bits, "
                f"which holds {array.limit}"
            )
        self.outcome.overflows += int((np.abs(sums) > array.limit).sum())
        return self.arithmetic.narrowed(sums, array.sums.bits)

    def _epilogue(self, task: Task, since: Since) -> None:
        array = self.array(task.group)
        slots = {slot.name: slot for slot in task.uses}
        part = task.boxes[0]
        sums = self.read(slots["sums"], array.sums, part.sizes)
        parts: dict[int, Array] = {}
        for region in task.boxes[2:]:
            code, slot = self.layout.codes[region.tensor], slots.get(str(region.tensor))
            held = (
                self.on_chip(region, since[1]) if slot is None
                else self.read(slot, code, region.sizes)
            )  # fmt: skip
            parts[region.tensor] = code.real(held)
        values, made = array.epilogue(sums, task, self.whole_of(task, since), parts)
        for slot in task.takes:
            self.write(slot, array.code, values)
        if task.turned is not None:
            self.slots[key_of(task.turned)] = task.turned
            with about(self.told(slots["sums"])):
                self.buffer(task.turned).turn(key_of(slots["sums"]), key_of(task.turned))
            self.write(task.turned, array.code, values)
        if made.tensor in self.layout.chip:
            assert self.chip is not None
            self.chip.write(
                self.layout.chip[made.tensor], made, values, self.writer(task, "the result of")
            )

    def _store(self, task: Task, since: Since) -> None:
        region, slot = task.target, task.uses[0]
        assert region is not None
        place = self.layout.dram[region.tensor]
        code = place.code
        if slot.name == "sums":
            array = self.array(task.group)
            values = array.stored(self.read(slot, array.sums, region.sizes))
        else:
            values = self.read(slot, code, region.sizes)
        self.put(task, place, region, values, since)
