"""What every task of a program reads and writes: regions of tensors, tiles in buffers.

The program says how long a task takes and how many bytes it holds; this says which. Tasks are
enumerated in the order of each component's stream, so the ordinal of a task in the timeline is its
index here. Derived from groups, plans and cuts on its own, not from the streams: that the bytes of
both agree is checked (`cosim.machine.values`), and a program that moves something else is caught.

::

    tasks = tasks_of(mapping)             # component -> list of Task
    tasks["load"][17].source              # the region of DRAM that its 18th descriptor moves
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from cosim.mapping.cuts import Cut, Picks, Slab, choose_cut
from cosim.mapping.fusion import Group
from cosim.mapping.lower_vector import room_of
from cosim.mapping.mapping import Mapping
from cosim.mapping.nest import Nest, nest_of
from cosim.mapping.rescale import bias_of
from cosim.mapping.row_gather import row_gather
from cosim.mapping.streams import HOST, load_lane, store_lane
from cosim.mapping.tiles import CONSTANTS
from cosim.mapping.tiling import TilePlan, TileRequest
from cosim.mapping.transfer import channel_for
from cosim.workload.workload import Kind, Tensor

Span = tuple[int, int, int]
"""Start, stop and step along one dimension."""


@dataclass(frozen=True)
class Region:
    """A box of a tensor, seen reshaped and transposed."""

    tensor: int
    shape: tuple[int, ...]
    box: tuple[Span, ...]
    transpose: tuple[int, ...] = ()
    picks: Picks | None = None
    """Where a dimension counts what another tensor names: rows of a table by its indices."""
    rows: tuple[int, ...] = ()
    """What that tensor names, when the machine runs."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Extent of the box in every dimension."""
        return tuple(len(range(*span)) for span in self.box)

    @property
    def elements(self) -> int:
        return prod(self.sizes)

    @property
    def slices(self) -> tuple[slice | list[int], ...]:
        """Of its box in the tensor; of a dimension that is picked from, the rows."""
        found: list[slice | list[int]] = [slice(*span) for span in self.box]
        if self.picks is not None:
            found[self.picks.dimension] = list(self.rows)
        return tuple(found)

    def named(self, rows: Iterable[int]) -> Region:
        """The same with the rows that it picks."""
        return replace(self, rows=tuple(rows))

    def __str__(self) -> str:
        spans = [f"{a}:{b}" if step == 1 else f"{a}:{b}:{step}" for a, b, step in self.box]
        if self.picks is not None:
            spans[self.picks.dimension] = f"rows of indices {spans[self.picks.dimension]}"
        return f"[{', '.join(spans)}]"


@dataclass(frozen=True)
class Slot:
    """A tile in a staging buffer.

    `name` says what it is to its group (``streaming``, ``weight``, ``sums``, ``result``, or the
    number of a tensor); `at` which one, by the first index of every cut loop or by piece.
    """

    buffer: str
    group: int
    name: str
    at: tuple[int, ...]
    elements: int
    bits: int
    turn: int = 0
    """How many tiles of this name and place were loaded before."""
    room: int = 0
    """Bytes that were there for it, where it took the place of something larger."""

    @property
    def bytes(self) -> int:
        return max(self.room, -(-self.elements * self.bits // 8))


@dataclass(frozen=True)
class Task:
    """One task of a component.

    `takes` are slots that it fills (a load's target, an array tile's sums, a result), `uses` those
    that it reads or adds to, `frees` those whose room is free after it.
    """

    group: int
    activity: str
    takes: tuple[Slot, ...] = ()
    uses: tuple[Slot, ...] = ()
    frees: tuple[Slot, ...] = ()
    source: Region | None = None
    """What a load takes from DRAM."""
    target: Region | None = None
    """What a store writes to DRAM."""
    boxes: tuple[Region, ...] = ()
    """Array tile: its part of both operands and of the result. Epilogue: what it makes of which
    part, then its part of every whole operand."""
    constants: tuple[Region, ...] = ()
    """Parts of the constants of its channels that it uses, where these are cut."""
    tile: tuple[tuple[str, int, int], ...] = ()
    """Loop, start and size of the loops that an array tile is cut in."""
    piece: int = -1
    """Piece of a vector group, counted over all passes."""
    first: bool = False
    """First array tile of its sums."""
    last: bool = False
    """Last task of its component in the group."""
    turned: Slot | None = None


def whole(tensor: Tensor) -> Region:
    """All of a tensor, in the order of its elements."""
    return Region(tensor.id, (tensor.elements,), ((0, tensor.elements, 1),))


def host_region(group: Group, tensor: Tensor, tensors: dict[int, Tensor]) -> Region:
    """What the host reads of an operand: all, or the rows that a gather picks."""
    gather = row_gather(group.ops[0], tensors) if len(group.ops) == 1 else None
    if gather is None or gather.table != tensor.id:
        return whole(tensor)
    shape = (gather.outer, gather.rows, gather.inner)
    slab = Slab(shape, (), 1, Picks(1, gather.index, gather.count))
    return slab_region(tensor, slab, 0, gather.count)


def slab_region(tensor: Tensor, slab: Slab, start: int, stop: int) -> Region:
    """Steps `start` to `stop` of a tensor that is cut."""
    box = tuple((start, stop, 1) if d == slab.axis else (0, n, 1) for d, n in enumerate(slab.seen))
    return Region(tensor.id, slab.shape, box, slab.transpose, slab.picks)


def tasks_of(mapping: Mapping) -> dict[str, list[Task]]:
    """Tasks of every component, in the order of its stream."""
    return _Regions(mapping).run()


def cut_of_group(mapping: Mapping, position: int) -> Cut:
    """How a vector group of a mapping is cut."""
    group, tensors = mapping.grouping.groups[position], tensors_of(mapping)
    storages = mapping.memory.storages
    reads, writes = ([tensors[t] for t in ids] for ids in (group.reads, group.writes))
    loads = tuple(t for t in reads if not storages[t.storage].resident)
    stores = tuple(t for t in writes if is_stored(mapping, t))
    others = tuple(t for t in (*reads, *writes) if t not in loads and t not in stores)
    cut = choose_cut(group.ops, tensors, loads, stores, others, room_of(mapping.design))
    assert cut is not None  # the mapping found one
    return cut


def tensors_of(mapping: Mapping) -> dict[int, Tensor]:
    """Tensors of the workload and those that the mapping made, by number."""
    return {t.id: t for t in (*mapping.workload.tensors, *mapping.grouping.prepared)}


def is_stored(mapping: Mapping, tensor: Tensor) -> bool:
    """Whether a result goes to DRAM: it does not stay on chip, or outlives the run."""
    storage = mapping.memory.storages[tensor.storage]
    return not storage.resident or storage.survives


class _Regions:
    def __init__(self, mapping: Mapping) -> None:
        self.mapping, self.design = mapping, mapping.design
        self.tensors = tensors_of(mapping)
        self.lane = {k: load_lane(channel_for(self.design, k)) for k in ("input", "weight")}
        self.store = store_lane(channel_for(self.design, "output"))
        self.of_storage: dict[int, list[Tensor]] = {}
        for t in self.tensors.values():
            self.of_storage.setdefault(t.storage, []).append(t)
        self.tasks: dict[str, list[Task]] = {c.name: [] for c in mapping.program.components}

    def run(self) -> dict[str, list[Task]]:
        if self.design.host.preparation_ps:
            self.tasks[HOST] += [Task(-1, "prepare")] * self.mapping.workload.batch
        for p, group in enumerate(self.mapping.grouping.groups):
            if group.engine == "host":
                self.tasks[HOST].append(Task(p, "host", last=True))
                continue
            self.tasks[HOST].append(Task(p, "command"))
            for tensor in self._fills(p, group):
                source = whole(tensor)
                self.tasks[self.lane["input"]].append(Task(p, "fill", source=source))
            if p in self.mapping.plans:
                _ArrayTasks(self, p, group, *self.mapping.plans[p]).emit()
            else:
                self._vector(p, group)
        return self.tasks

    def resident(self, tensor: Tensor) -> bool:
        return self.mapping.memory.storages[tensor.storage].resident

    def _fills(self, p: int, group: Group) -> Iterator[Tensor]:
        """Tensors that come on chip with this group, their first reader."""
        done: set[int] = set()
        for tensor in (self.tensors[t] for t in group.reads):
            storage = self.mapping.memory.storages[tensor.storage]
            if not storage.resident or not storage.exists_before or storage.id in done:
                continue
            if min(storage.readers) == p:
                done.add(storage.id)
                # the whole allocation comes, whichever part of it is read
                yield max(self.of_storage[storage.id], key=lambda t: t.elements)

    def _vector(self, p: int, group: Group) -> None:
        cut = cut_of_group(self.mapping, p)
        if cut.updates is not None:
            self._scatter(p, group, cut, cut.updates)
            return
        reads = [self.tensors[t] for t in group.reads if not self.resident(self.tensors[t])]
        writes = [self.tensors[t] for t in group.writes if is_stored(self.mapping, self.tensors[t])]
        small = [t for t in reads if t.id not in cut.slabs]
        held = []
        for tensor in small:
            slot = Slot("input", p, str(tensor.id), (), tensor.elements, tensor.bits)
            held.append(slot)
            self.tasks[self.lane["input"]].append(
                Task(p, "load", takes=(slot,), source=whole(tensor))
            )
        total = cut.count * cut.passes
        for index in range(total):
            last = index == total - 1
            inputs = [
                self._piece(p, t, cut, index, "input") for t in cut.in_order(reads)
                if cut.bytes(t, index % cut.count)
            ]  # fmt: skip
            outputs = [
                self._piece(p, t, cut, index, "output") for t in writes
                if (last if t.id not in cut.slabs else index >= total - cut.count)
            ]  # fmt: skip
            outputs = [(slot, region) for slot, region in outputs if slot.bytes]
            used = tuple(slot for slot, _ in inputs)
            self.tasks[self.lane["input"]] += [
                Task(p, "load", (slot,), _indices_of(region, (*used, *held)), source=region)
                for slot, region in inputs
            ]
            self.tasks[self.design.vector.name].append(
                Task(
                    p, "elementwise", takes=tuple(slot for slot, _ in outputs),
                    uses=(*used, *held), frees=(*used, *(held if last else ())),
                    piece=index, last=last,
                )
            )  # fmt: skip
            self.tasks[self.store] += [
                Task(p, "store", uses=(slot,), frees=(slot,), target=region, last=last)
                for slot, region in outputs
            ]

    def _scatter(self, p: int, group: Group, zeros: Cut, updates: Cut) -> None:
        """Zeros of a result, then rows of it that are read, added to and written back."""
        reads = [self.tensors[t] for t in group.reads if not self.resident(self.tensors[t])]
        (result,) = (self.tensors[t] for t in group.writes)
        unit, store = self.tasks[self.design.vector.name], self.tasks[self.store]
        for index in range(zeros.count):
            slot, region = self._piece(p, result, zeros, index, "output")
            unit.append(Task(p, "elementwise", takes=(slot,), piece=index))
            store.append(Task(p, "store", uses=(slot,), frees=(slot,), target=region))
        for index in range(updates.count):
            last, number = index == updates.count - 1, zeros.count + index
            pieces = [
                self._piece(p, t, updates, index, "input")
                for t in updates.in_order((*reads, result))
            ]
            used = tuple(slot for slot, _ in pieces)
            self.tasks[self.lane["input"]] += [
                Task(p, "load", (slot,), _indices_of(region, used), source=region)
                for slot, region in pieces
            ]
            region = pieces[-1][1]
            names = _indices_of(region, used)
            made = replace(self._piece(p, result, updates, index, "output")[0], at=(number,))
            unit.append(
                Task(
                    p, "elementwise", takes=(made,), uses=used,
                    frees=tuple(slot for slot in used if slot not in names), piece=number,
                    last=last,
                )
            )  # fmt: skip
            store.append(
                Task(p, "store", uses=(made, *names), frees=(made, *names), target=region,
                     last=last)
            )  # fmt: skip

    def _piece(
        self, p: int, tensor: Tensor, cut: Cut, index: int, buffer: str
    ) -> tuple[Slot, Region]:
        slab = cut.slabs.get(tensor.id)
        region = whole(tensor)
        if slab is not None:
            region = slab_region(tensor, slab, *cut.piece(tensor, index % cut.count))
        name = f"{tensor.id}" if buffer == "input" else f"result {tensor.id}"
        return Slot(buffer, p, name, (index,), region.elements, tensor.bits), region


def _indices_of(region: Region, slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """The tile that names what a load picks, where it is in a buffer."""
    picks = region.picks
    return tuple(slot for slot in slots if picks is not None and slot.name == str(picks.by))


class _ArrayTasks:
    """Tasks of one group on the array, from its plan."""

    def __init__(
        self, regions: _Regions, p: int, group: Group, request: TileRequest, plan: TilePlan
    ) -> None:
        self.regions, self.p, self.group = regions, p, group
        self.request, self.plan = request, plan
        self.tensors, self.design = regions.tensors, regions.design
        assert group.anchor is not None
        self.anchor, self.array = group.anchor, regions.design.array_named(group.array)
        self.nest: Nest = nest_of(group.anchor)
        self.sides = (self.nest.streaming, self.nest.weight, self.nest.result)
        self.cut = {axis.loop for axis in plan.axes}
        self.operands = [self.tensors[access.tensor] for access in group.anchor.accesses]
        self.result = self.tensors[group.writes[-1]]
        self.has_vector = request.vector_cycles > 0
        unit = self.design.vector
        self.in_place = unit.in_place and request.store_result and self.has_vector
        self.turns: dict[tuple[str, tuple[int, ...]], int] = {}
        self._sort_others()

    def _sort_others(self) -> None:
        """Whole operands of the epilogue, and those that are loaded once."""
        size = self.tensors[self.anchor.outputs[0]].elements
        addend = bias_of(self.anchor, self.tensors)
        channels = [t.id for t in (addend, self.group.prepared) if t is not None]
        again = {t for op in self.group.epilogue for t in op.inputs}
        own = {tensor.id for tensor in self.operands}
        rest = [self.tensors[t] for t in self.group.reads if t not in own or t in again]
        moved = [t for t in rest if not self.regions.resident(t)]
        self.whole_operands = [
            t for t in rest if t.elements == size and size > 1 and t.id not in channels
        ]  # fmt: skip
        self.extra = [t for t in self.whole_operands if t in moved]
        once = [t for t in moved if t not in self.extra]
        number = self.nest.channels
        self.constants = [
            t for t in once
            if self.plan.cut_constants and t.id in channels and not t.elements % number
        ]  # fmt: skip
        self.bias = [t for t in once if t not in self.constants]

    # Where tiles are

    def at(self, operand: int, tile: dict[str, tuple[int, int]]) -> tuple[int, ...]:
        """Which tile of an operand: first index of the cut loops it depends on."""
        loops = self.sides[operand].loops
        return tuple(tile[a.loop][0] for a in self.plan.axes if a.loop in loops and a.loop in tile)

    def box(self, operand: int, tile: dict[str, tuple[int, int]]) -> tuple[Span, ...]:
        spans: list[Span] = []
        for d in self.sides[operand].dimensions:
            start, size = tile.get(d.loop, (0, self.nest.extents.get(d.loop, 1)))
            low, stop = d.region(start, size)
            step = abs(d.coefficient) if d.width == 0 and abs(d.coefficient) > 1 else 1
            if step > 1 and stop > low:
                first = min(d.coefficient * i for i in (start, start + size - 1)) + d.low
                low += (first - low) % step
            spans.append((low, max(low, stop), step))
        return tuple(spans)

    def _reuse(self, operand: int) -> set[str]:
        """Cut loops during which a tile of an operand stays where it is."""
        hold = (self.plan.hold_streaming, self.plan.hold_weight, False)[operand]
        constants = operand == CONSTANTS
        loops = set(self.nest.channel_loops) if constants else self.sides[operand].loops
        kept = set()
        for place, axis in enumerate(self.plan.axes):
            if axis.loop in loops:
                continue
            if hold or not any(a.loop in loops for a in self.plan.axes[place + 1 :]):
                kept.add(axis.loop)
        return kept

    def _slot(self, name: str, buffer: str, at: tuple[int, ...], region: Region, bits: int) -> Slot:
        turn = self.turns.get((name, at), 0)
        return Slot(buffer, self.p, name, at, region.elements, bits, turn)

    def operand_slot(self, operand: int, tile: dict[str, tuple[int, int]]) -> tuple[Slot, Region]:
        access = (*self.anchor.accesses, self.anchor.result)[operand]
        assert access is not None
        tensor, name = self.operands[operand], ("streaming", "weight")[operand]
        region = Region(tensor.id, access.view_shape, self.box(operand, tile))
        buffer = ("input", "weight")[operand]
        return self._slot(name, buffer, self.at(operand, tile), region, tensor.bits), region

    def sums_slot(self, outer: dict[str, tuple[int, int]]) -> tuple[Slot, Region]:
        region = Region(self.anchor.outputs[0], self._result_shape, self.box(2, outer))
        bits = self.array.accumulator_bits
        return Slot(
            "accumulator", self.p, "sums", self._outer_at(outer), region.elements, bits
        ), region

    def extra_slot(self, tensor: Tensor, outer: dict[str, tuple[int, int]]) -> tuple[Slot, Region]:
        region = Region(tensor.id, self._result_shape, self.box(2, outer))
        slot = Slot(
            "input", self.p, str(tensor.id), self._outer_at(outer), region.elements, tensor.bits
        )
        return slot, region

    def constant_slots(
        self, tile: dict[str, tuple[int, int]], ends: bool = False
    ) -> tuple[tuple[Slot, ...], tuple[Region, ...]]:
        """Parts of the constants of a tile's channels; with `ends`, the next ones are others."""
        loops, found = self.nest.channel_loops, []
        at = tuple(tile[a.loop][0] for a in self.plan.axes if a.loop in loops)
        extents = [self.nest.extents[loop] for loop in loops]
        box = [
            (first, first + size, 1)
            for first, size in (
                tile.get(loop, (0, n)) for loop, n in zip(loops, extents, strict=True)
            )
        ]
        for tensor in self.constants:
            each = tensor.elements // prod(extents)
            region = Region(tensor.id, (*extents, each), (*box, (0, each, 1)))
            slot = self._slot(str(tensor.id), "weight", at, region, tensor.bits)
            found.append((slot, region))
            if ends:
                self.turns[(slot.name, at)] = slot.turn + 1
        return tuple(slot for slot, _ in found), tuple(region for _, region in found)

    def result_slot(self, outer: dict[str, tuple[int, int]]) -> tuple[Slot, Region]:
        box, shape = list(self.box(2, outer)), list(self._result_shape)
        window = self.window
        for i, kernel in enumerate(window):
            d = len(shape) - len(window) + i
            shape[d] //= kernel
            box[d] = (box[d][0] // kernel, -(-box[d][1] // kernel), 1)
        region = Region(self.result.id, tuple(shape), tuple(box))
        here = self.has_vector and not self.in_place
        slot = Slot(
            "output" if here else "accumulator", self.p, "result", self._outer_at(outer),
            region.elements, self.result.bits,
            room=self.sums_slot(outer)[0].bytes if self.in_place else 0,
        )  # fmt: skip
        return slot, region

    @property
    def window(self) -> tuple[int, ...]:
        """The fused pooling's window, empty without one."""
        for op in self.group.epilogue:
            if op.kind is Kind.POOLING:
                return tuple(int(k) for k in op.attributes["kernel"])  # type: ignore[attr-defined]
        return ()

    @property
    def _result_shape(self) -> tuple[int, ...]:
        assert self.anchor.result is not None
        return self.anchor.result.view_shape

    def _outer_at(self, outer: dict[str, tuple[int, int]]) -> tuple[int, ...]:
        return tuple(outer[a.loop][0] for a in self.plan.axes if a.cls != "k")

    # Tasks

    def _tiles(self, only_outer: bool = False) -> Iterator[dict[str, tuple[int, int]]]:
        axes = [a for a in self.plan.axes if not (only_outer and a.cls == "k")]
        starts = [range(0, a.extent, a.size) for a in axes]
        for corner in product(*starts):
            yield {
                a.loop: (s, min(a.size, a.extent - s)) for a, s in zip(axes, corner, strict=True)
            }

    def _first(self, tile: dict[str, tuple[int, int]], loops: set[str]) -> bool:
        return all(tile[loop][0] == 0 for loop in loops)

    def _last(self, tile: dict[str, tuple[int, int]], loops: set[str]) -> bool:
        return all(sum(tile[loop]) >= self.nest.extents[loop] for loop in loops)

    def emit(self) -> None:
        lanes = self.regions.lane
        for lane in dict.fromkeys(lanes.values()):
            self.turns.clear()
            kinds = [kind for kind, name in lanes.items() if name == lane]
            self.regions.tasks[lane] += list(self._loads(kinds))
        self.turns.clear()
        self.regions.tasks[self.array.name] += list(self._computes())
        if self.has_vector:
            self.regions.tasks[self.design.vector.name] += list(self._epilogues())
        if self.request.store_result:
            self.regions.tasks[self.regions.store] += list(self._stores())

    def bias_slots(self) -> tuple[Slot, ...]:
        return tuple(Slot("weight", self.p, str(t.id), (), t.elements, t.bits) for t in self.bias)

    def _loads(self, kinds: list[str]) -> Iterator[Task]:
        if "weight" in kinds:
            for tensor, slot in zip(self.bias, self.bias_slots(), strict=True):
                yield Task(self.p, "load", takes=(slot,), source=whole(tensor))
        reduced = {a.loop for a in self.plan.axes if a.cls == "k"}
        for tile in self._tiles():
            if "weight" in kinds and self._first(tile, self._reuse(CONSTANTS)):
                for slot, region in zip(*self.constant_slots(tile, ends=True), strict=True):
                    yield Task(self.p, "load", takes=(slot,), source=region)
            for operand, kind, moved in (
                (1, "weight", self.request.load_weight), (0, "input", self.request.load_streaming)
            ):  # fmt: skip
                if kind in kinds and moved and self._first(tile, self._reuse(operand)):
                    slot, region = self.operand_slot(operand, tile)
                    self.turns[(slot.name, slot.at)] = slot.turn + 1
                    yield Task(self.p, "load", takes=(slot,), source=region)
            if "input" in kinds and self._first(tile, reduced):
                for tensor in self.extra:
                    slot, region = self.extra_slot(tensor, tile)
                    yield Task(self.p, "load", takes=(slot,), source=region)

    def _computes(self) -> Iterator[Task]:
        reduced = {a.loop for a in self.plan.axes if a.cls == "k"}
        every = {a.loop for a in self.plan.axes}
        for tile in self._tiles():
            uses: list[Slot] = []
            frees: list[Slot] = []
            boxes: list[Region] = []
            for operand, moved in ((0, self.request.load_streaming), (1, self.request.load_weight)):
                slot, region = self.operand_slot(operand, tile)
                boxes.append(region)
                if not moved:
                    continue
                uses.append(slot)
                if self._last(tile, self._reuse(operand)):
                    frees.append(slot)
                    self.turns[(slot.name, slot.at)] = slot.turn + 1
            sums, region = self.sums_slot(tile)
            boxes.append(region)
            first, last = self._first(tile, reduced), self._last(tile, every)
            parts: tuple[Region, ...] = ()
            if not self.has_vector:
                ends = self._last(tile, self._reuse(CONSTANTS))
                held, parts = self.constant_slots(tile, ends)
                uses += held
                frees += held if ends else ()
            if last and not self.has_vector:
                frees += self.bias_slots()
            if self._last(tile, reduced) and not self.has_vector and not self.request.store_result:
                frees.append(sums)
            yield Task(
                self.p, "compute", takes=(sums,) if first else (),
                uses=(*uses, *(() if first else (sums,)), *self.bias_slots()), frees=tuple(frees),
                boxes=tuple(boxes), first=first, last=last, constants=parts,
                tile=tuple((loop, *span) for loop, span in tile.items()),
            )  # fmt: skip

    def _epilogues(self) -> Iterator[Task]:
        tiles = list(self._tiles(only_outer=True))
        for number, outer in enumerate(tiles):
            last = number == len(tiles) - 1
            sums, part = self.sums_slot(outer)
            extra = [self.extra_slot(tensor, outer)[0] for tensor in self.extra]
            result, made = self.result_slot(outer)
            ends = self._last(outer, self._reuse(CONSTANTS) & set(outer))
            held, parts = self.constant_slots(outer, ends)
            taken = self.request.store_result and not self.in_place
            yield Task(
                self.p, "epilogue", takes=(result,) if taken else (),
                uses=(sums, *extra, *self.bias_slots(), *held),
                frees=(*(() if self.in_place else (sums,)), *extra,
                       *(self.bias_slots() if last else ()), *(held if ends else ())),
                turned=result if self.in_place else None,
                tile=tuple((loop, *span) for loop, span in outer.items()), last=last,
                constants=parts,
                boxes=(part, made, *(self.extra_slot(t, outer)[1] for t in self.whole_operands)),
            )  # fmt: skip

    def _stores(self) -> Iterator[Task]:
        tiles = list(self._tiles(only_outer=True))
        for number, outer in enumerate(tiles):
            slot = (self.result_slot if self.has_vector else self.sums_slot)(outer)[0]
            _, region = self.result_slot(outer)
            yield Task(
                self.p, "store", uses=(slot,), frees=(slot,), target=region,
                tile=tuple((loop, *span) for loop, span in outer.items()),
                last=number == len(tiles) - 1,
            )  # fmt: skip
