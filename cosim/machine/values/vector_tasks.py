"""Tasks of the vector unit, piece by piece, and of the host."""

from __future__ import annotations

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.memory import Absent, Place
from cosim.machine.values.operations import updated_rows
from cosim.machine.values.state import Since, State, about
from cosim.machine.values.vector_values import VectorValues, sums_over_pieces
from cosim.mapping.cuts import Cut
from cosim.mapping.fusion import Group
from cosim.mapping.regions import Region, Task, cut_of_group, slab_region, whole
from cosim.mapping.row_gather import row_scatter
from cosim.workload.workload import Op


class VectorTasks(State):
    """What tasks of groups on the vector unit or the host do to the state."""

    def _vector(self, position: int) -> tuple[VectorValues, Cut | None]:
        if position not in self.of_vector:
            group = self.mapping.grouping.groups[position]
            cut = None if group.engine == "host" else cut_of_group(self.mapping, position)
            values = VectorValues(group, self.layout, self.reference, cut, self._taken)
            self.of_vector[position] = (values, cut)
        return self.of_vector[position]

    def _taken(self, op: Op) -> None:
        said = f"{op.layer}: {op.name}"
        if said not in self.outcome.taken:
            self.outcome.taken.append(said)

    def _piece(self, task: Task, since: Since) -> None:
        values, cut = self._vector(task.group)
        assert cut is not None
        group = self.mapping.grouping.groups[task.group]
        if cut.updates is not None:
            self._scattered(task, cut, cut.updates, since)
            return
        index = task.piece % cut.count
        pieces: dict[int, Array] = {}
        slots = {slot.name: slot for slot in task.uses}
        for tensor in group.reads:
            region = self._piece_region(cut, tensor, index)
            if region is None:
                continue
            slot, code = slots.get(str(tensor)), self.layout.codes[tensor]
            parts = self.picked(task, region, since[1])
            if slot is not None:
                held = self.read(slot, code, region.sizes)
            elif tensor in self.layout.chip:
                assert self.chip is not None
                held = self.held(self.chip, self.layout.chip[tensor], parts, since[1])
            else:
                continue
            pieces[tensor] = code.real(held, self._unit_of(tensor, parts))
        if cut.whole:
            self._streamed(task, group, values, cut, pieces, since)
            return
        others = self._others(task, group, set(pieces), since)
        span = self._span(cut, index)
        made = values.piece(pieces, others, span)
        self._add_up(task, group, cut, index, made)
        self._keep(task, group, cut, index, made)

    def picked(self, task: Task, region: Region, since: int) -> list[Region]:
        """A region with the rows that its indices name: for every sample, or one for all.

        The indices are read where the machine has them: in the buffer, on chip, or in the command.
        """
        picks = region.picks
        if picks is None:
            return [region]
        index = self.layout.tensors[picks.by]
        start, stop, _ = region.box[picks.dimension]
        slot = next((slot for slot in task.uses if slot.name == str(picks.by)), None)
        first = 0
        if slot is None:
            every = self.whole_of(task, (0, since))(picks.by)
        else:
            every = self.read(slot, self.layout.codes[picks.by], (slot.elements,))
            _, cut = self._vector(task.group)
            cut = cut.updates or cut if cut is not None else None
            if slot.at and cut is not None:
                first = cut.piece(index, slot.at[0] % cut.count)[0]
        every = every.reshape(len(every), -1).astype(np.int64)[:, start - first : stop - first]
        if start < first or every.shape[1] != stop - start:
            raise Absent(f"{self.named(region)}: not all of '{index.name}'[{start}:{stop}] is here")
        count = region.shape[picks.dimension]
        named = np.where(every < 0, every + count, every)
        if ((named < 0) | (named >= count)).any():
            wrong = every[(named < 0) | (named >= count)][0]
            raise Absent(f"{self.named(region)}: '{index.name}' names row {wrong} of {count}")
        return [region.named(int(row) for row in rows) for rows in named]

    def _add_up(
        self, task: Task, group: Group, cut: Cut, index: int, made: dict[int, Array]
    ) -> None:
        """Results that are not cut: sums over the pieces, in the unit until the last."""
        held = self.streamed.setdefault(task.group, {})
        for tensor in group.writes:
            if tensor not in cut.slabs and sums_over_pieces(group.ops[-1]):
                held[tensor] = made[tensor] + (held[tensor] if index else 0.0)
                made[tensor] = held[tensor]

    def _unit_of(self, tensor: int, regions: list[Region]) -> Array | float | None:
        """Scale of a piece of a tensor that has one scale a channel; `regions` as of `picked`."""
        code = self.layout.codes[tensor]
        if not code.quantized or len(code.unit) == 1:
            return None
        shape = self.layout.tensors[tensor].shape
        every = np.broadcast_to(code.unit_for(len(shape)), shape)
        found = []
        for region in regions:
            seen = every.reshape(region.shape)
            seen = seen.transpose(region.transpose) if region.transpose else seen
            found.append(seen[region.slices])
        return np.stack(found) if len(found) > 1 else np.asarray(found[0])

    def put(self, task: Task, place: Place, region: Region, values: Array, since: Since) -> None:
        """Write a result to DRAM; rows that indices name for each sample where theirs are."""
        parts = self.picked(task, region, since[1])
        said = self.writer(task, "the result of")
        if len(parts) == 1:
            self.dram.write(place, parts[0], values, said)
            return
        for lane, part in enumerate(parts):
            own = values[min(lane, len(values) - 1)][None]
            self.dram.write(place, part, own, said, lane)

    def _scattered(self, task: Task, zeros: Cut, updates: Cut, since: Since) -> None:
        """Zeros of a result, or rows of it with what is added to them."""
        scatter = row_scatter(self.mapping.grouping.groups[task.group].ops[0], self.layout.tensors)
        assert scatter is not None
        (slot,) = task.takes
        code = self.layout.codes[scatter.result]
        if task.piece < zeros.count:
            nothing = np.zeros((self.reference.samples, slot.elements))
            self.write(slot, code, code.encode(nothing))
            return
        start, stop = updates.piece(
            self.layout.tensors[scatter.index], task.piece - zeros.count
        )  # fmt: skip
        slots = {held.name: held for held in task.uses}

        def piece(tensor: int, width: int) -> Array:
            """Of an operand with so many elements for each index."""
            own, held = self.layout.codes[tensor], slots.get(str(tensor))
            if held is not None:
                return own.real(self.read(held, own, (stop - start, width)))
            every = self.whole_of(task, since)(tensor)
            return every.reshape(len(every), -1, width)[:, start:stop]

        names = piece(scatter.index, 1)[:, :, 0].astype(np.int64)
        rows, added = (piece(t, scatter.inner) for t in (scatter.result, scatter.values))
        made = updated_rows(rows, added, names, scatter.skipped)
        self.write(slot, code, code.encode(made).reshape(len(made), -1))

    def piece_of(self, task: Task, tensor: int) -> Region | None:
        """The piece of a tensor that a task of the vector unit works on, if it is cut."""
        _, cut = self._vector(task.group)
        if cut is None:
            return None
        if cut.updates is not None and task.piece >= cut.count:
            return self._piece_region(cut.updates, tensor, task.piece - cut.count)
        return self._piece_region(cut, tensor, task.piece % cut.count)

    def _span(self, cut: Cut, index: int) -> tuple[int, int]:
        tensor = next(iter(cut.slabs))
        return cut.piece(self.layout.tensors[tensor], index)

    def _piece_region(self, cut: Cut, tensor: int, index: int) -> Region | None:
        if tensor not in cut.slabs:
            return None
        described = self.layout.tensors[tensor]
        start, stop = cut.piece(described, index)
        return slab_region(described, cut.slabs[tensor], start, stop) if stop > start else None

    def _others(self, task: Task, group: Group, known: set[int], since: Since) -> dict[int, Array]:
        """Operands that are held whole, and scalars that came with the command."""
        read = self.whole_of(task, since)
        made = {t for op in group.ops for t in op.outputs}
        needed = {t for op in group.ops for t in op.inputs} - known
        inputs = {t for t in needed if t not in made or t in group.reads}
        return {t: read(t) if self.layout.tensors[t].elements else np.zeros((1, 0)) for t in inputs}

    def _streamed(
        self, task: Task, group: Group, values: VectorValues, cut: Cut,
        pieces: dict[int, Array], since: Since,
    ) -> None:  # fmt: skip
        """A piece of a group whose result depends on all pieces."""
        index, total = task.piece % cut.count, cut.count * cut.passes
        held = self.streamed.setdefault(task.group, {})
        if index == 0:
            held.clear()
        for tensor, piece in pieces.items():
            flat = piece.reshape(piece.shape[0], -1)
            held[tensor] = np.concatenate([held[tensor], flat], 1) if tensor in held else flat
        if index == cut.count - 1 and task.piece < total - 1:
            self.streamed[-1 - task.group] = dict(held)
            return
        final = self.streamed.get(-1 - task.group, held)
        if task.piece < total - cut.count or (cut.passes == 1 and not task.last):
            return
        everything = {
            t: v.reshape(v.shape[0], *self.layout.tensors[t].shape) for t, v in final.items()
        }
        everything |= self._others(task, group, set(everything), since)
        made = values.whole(everything)
        self._keep(task, group, cut, index, made)

    def _keep(self, task: Task, group: Group, cut: Cut, index: int, made: dict[int, Array]) -> None:
        """Write a group's results: pieces as slabs where they are cut, else with the last."""
        slots = {slot.name: slot for slot in task.takes}
        for tensor in group.writes:
            described = self.layout.tensors[tensor]
            region = self._piece_region(cut, tensor, index)
            if region is None:
                if tensor in cut.slabs or not task.last:
                    continue
                region = whole(described)
            values = made[tensor]
            if cut.whole and tensor in cut.slabs:
                values = values.reshape(values.shape[0], -1)[:, region.box[0][0] : region.box[0][1]]
            values = values.reshape(values.shape[0], *region.sizes)
            unit = self._unit_of(tensor, [region]) if tensor in cut.slabs else None
            if unit is None and len(self.layout.codes[tensor].unit) > 1:
                values = values.reshape(values.shape[0], *described.shape)
            code = self.layout.codes[tensor]
            elements = code.encode(values, unit).reshape(values.shape[0], *region.sizes)
            slot = slots.get(f"result {tensor}")
            if slot is not None:
                self.write(slot, code, elements)
            if tensor in self.layout.chip:
                assert self.chip is not None
                self.chip.write(
                    self.layout.chip[tensor], region, elements, self.writer(task, "the result of")
                )

    def _host(self, task: Task, since: Since) -> None:
        group = self.mapping.grouping.groups[task.group]
        values, _ = self._vector(task.group)
        everything: dict[int, Array] = {}
        made = {t for op in group.ops for t in op.outputs}
        for tensor in {t for op in group.ops for t in op.inputs}:
            described = self.layout.tensors[tensor]
            if tensor in made and tensor not in group.reads:
                continue
            place = self.layout.dram.get(tensor)
            if place is None:
                constant = self.scalars.value(tensor, self.reader(task.group, tensor))
                if constant is None:
                    raise Absent(f"'{described.name}' is not in the DRAM")
                everything[tensor] = constant
                continue
            region = whole(described)
            with about(self.named(region)):
                self.dram.check(place, region, since[0])
                held = self.dram.read(place, region)
            everything[tensor] = place.code.real(held.reshape(held.shape[0], *described.shape))
        results = values.whole(everything)
        for tensor in group.writes:
            place = self.layout.dram[tensor]
            result = place.code.encode(results[tensor])
            self.dram.write(
                place, whole(place.tensor), result.reshape(result.shape[0], -1),
                self.writer(task, "the result of"),
            )  # fmt: skip
