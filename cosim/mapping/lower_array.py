"""A contraction's plan as streams: loads, array tiles, epilogue, stores, as loops of templates.

Only what tasks wait for and give is decided here; `pricing` says what they cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil

from cosim.design.design import Buffer, Design, Precision
from cosim.mapping.drafts import Draft, Drafting, Finish, Move, Multiply, bodies
from cosim.mapping.program import Node, Step
from cosim.mapping.streams import Streams, acquire, load_lane, release, repeat, store_lane
from cosim.mapping.tile_tree import Leaf, Part, tile_tree
from cosim.mapping.tiles import CONSTANTS, Tile
from cosim.mapping.tiling import TilePlan, TileRequest
from cosim.memo import Signature
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor


@dataclass(frozen=True)
class ArrayTask:
    """A group on the array, ready to be lowered."""

    group: int
    name: str
    request: TileRequest
    plan: TilePlan
    streaming: Tensor
    weight: Tensor
    result: Tensor
    """What the group writes."""
    extra: tuple[Tensor, ...]
    """Whole operands of the epilogue that are loaded tile by tile."""
    bias: tuple[Tensor, ...]
    """Operands that are loaded once for all tiles."""
    constants: tuple[Tensor, ...]
    """Constants of channels that are loaded in parts, with the tiles of their channels."""
    precision: Precision
    vector_precision: Precision | None
    array: str
    """The engine that runs it."""
    waits: dict[str, tuple[Step, ...]]
    """Component -> steps before its first task (command, dependencies, fills)."""
    signals: dict[str, tuple[Step, ...]]
    """Component -> steps after its last task."""

    @cached_property
    def draft_signature(self) -> Signature:
        """Equal for tasks whose streams differ in nothing but what their tiles cost."""

        def kind(tensor: Tensor) -> tuple[object, ...]:
            return (tensor.bits, tensor.role, tensor.elements, tensor.zeros)

        plan = self.plan
        return Signature((
            self.request.signature, plan.shape,
            kind(self.streaming), kind(self.weight), kind(self.result),
            tuple(map(kind, self.extra)), tuple(map(kind, self.bias)),
            tuple(map(kind, self.constants)),
            tuple(self.waits.items()), tuple(self.signals.items()),
        ))  # fmt: skip

    @property
    def unit_precision(self) -> Precision | None:
        """How the vector unit works on the results."""
        return self.vector_precision

    def extra_bytes(self, tile: Tile) -> int:
        """Bytes of the epilogue's whole operands that belong to a tile."""
        return sum(tile.bytes(2, tensor.bits) for tensor in self.extra)

    def output_bytes(self, tile: Tile) -> int:
        """Bytes that the group writes of a tile of results."""
        elements = -(-tile.elements[2] // self.request.store_divisor)
        return ceil(elements * self.request.result_bits / 8)


def _stream(
    parts: list[Part], tasks: Callable[[Leaf], tuple[Node, ...]],
    known: dict[Leaf, tuple[Node, ...]],
) -> tuple[Node, ...]:  # fmt: skip
    """A component's stream over a loop nest: what `tasks` makes of every leaf.

    `known` has what it made of leaves before; the first waits for the group's turn, alone.
    """
    body: list[Node] = []
    for count, part in parts:
        if not isinstance(part, Leaf):
            inner = _stream(part, tasks, known)
        elif part in known:
            inner = known[part]
        else:
            inner = tasks(part)
            if not part.first:
                known[part] = inner
        if inner:
            body += repeat(count, inner)
    return tuple(body)


_DOUBLE = Buffer("", (), 0)
"""What an operand without a staging buffer of its own is read like."""


class ArrayLowering:
    """Drafts one `ArrayTask`; `design` as the engine that runs it sees it."""

    def __init__(self, streams: Streams, task: ArrayTask, design: Design) -> None:
        self.streams, self.task = streams, task
        self.design, self.request = design, task.request
        self.tree = tile_tree(task.request.nest, task.plan)
        self.has_vector = self.request.vector_cycles > 0
        shared = streams.array_phase
        self.input_loaded = streams.pool("input loaded", phase=shared, cause=Cause.INPUT)
        self.weight_loaded = streams.pool("weight loaded", phase=shared, cause=Cause.INPUT)
        self.operand_loaded = streams.pool("operand loaded", cause=Cause.INPUT)
        self.computed = streams.pool("tile computed", cause=Cause.RESULT)
        if task.constants:
            self.constants_loaded = streams.pool("constants loaded", cause=Cause.INPUT)
        maker = self.design.vector if self.has_vector else self.design.array
        self.ready = streams.pool(f"result ready < {maker.name}", cause=Cause.RESULT)
        self.in_place = self.design.vector.in_place and self.request.store_result
        self.alone = self._places()
        self.drafting = Drafting()

    def draft(self) -> Draft:
        """This group's tasks; the same object for tasks that differ in nothing but cost."""
        key = (self.task.draft_signature, self._machine())
        draft = bodies.get(key)
        if draft is None:
            draft = bodies[key] = self._draft()
        return draft

    def _machine(self) -> tuple[object, ...]:
        """What a draft depends on of the machine: names of components and numbers of pools."""
        streams, design = self.streams, self.design
        buffers = [streams.buffer(b) for b in ("input", "weight", "accumulator", "output")]
        lanes = [load_lane(streams.load[kind]) for kind in ("input", "weight")]
        return (
            design.array.name, design.array.accumulator_bits, design.vector.name, self.in_place,
            tuple(self.alone.items()),
            *lanes,
            store_lane(streams.store), *buffers, self.input_loaded, self.weight_loaded,
            self.operand_loaded, self.computed, self.ready,
            self.constants_loaded if self.task.constants else None,
        )  # fmt: skip

    def _draft(self) -> Draft:
        streams, tiles, draft = self.streams, self.tree.tiles, self.drafting
        load = {kind: load_lane(streams.load[kind]) for kind in ("input", "weight")}
        for lane in dict.fromkeys(load.values()):
            kinds = [kind for kind, name in load.items() if name == lane]
            if "weight" in kinds:
                draft.append(lane, self._bias_loads(lane))
            draft.append(lane, _stream(tiles, partial(self._load_tasks, kinds, lane), {}))
        draft.append(self.design.array.name, _stream(tiles, self._array_task, {}))
        results = self.tree.results
        if self.has_vector:
            draft.append(self.design.vector.name, _stream(results, self._vector_task, {}))
        if self.request.store_result:
            lane = store_lane(streams.store)
            draft.append(lane, _stream(results, partial(self._store_task, lane), {}))
        return draft.finished()

    def _ends(self, lane: str, leaf: Leaf) -> tuple[list[Step], list[Step]]:
        """Steps before the component's first and after its last task of the group."""
        before = self.task.waits.get(lane, ()) if leaf.first else ()
        after = self.task.signals.get(lane, ()) if leaf.last else ()
        return list(before), list(after)

    # Loads

    def _bias_loads(self, lane: str) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for tensor in self.task.bias:
            before = [
                *self._given_once(lane), *self._given_once(f"{lane}/weight"),
                acquire(self.streams.buffer("weight"), tensor.bytes),
            ]  # fmt: skip
            nodes.append(self._load(lane, "weight", tensor, tensor.bytes, 1, before,
                                    self.weight_loaded))  # fmt: skip
        return tuple(nodes)

    def _given_once(self, key: str) -> tuple[Step, ...]:
        """The waits before a first load; later ones of the group need not wait again."""
        return self.task.waits.pop(key, ())

    def _load(
        self, lane: str, kind: str, tensor: Tensor, bytes_: int, chunks: int,
        before: list[Step], loaded: int,
    ) -> int:  # fmt: skip
        after = (release(loaded, 1),)
        return self.drafting.slot(Move(
            lane, kind, tensor.role.value, bytes_, chunks, (tensor.bits, tensor.zeros), kind,
            tuple(before), after,
        ))  # fmt: skip

    def _load_tasks(self, kinds: list[str], lane: str, leaf: Leaf) -> tuple[Node, ...]:
        request, task, tile = self.request, self.task, leaf.tile
        nodes: list[Node] = []
        pending = list(self._given_once(lane)) if leaf.first else []

        def one(kind: str, tensor: Tensor, bytes_: int, chunks: int, loaded: int) -> None:
            before = [*pending, *self._given_once(f"{lane}/{kind}")]
            before.append(acquire(self.streams.buffer(kind), bytes_))
            if kind in self.alone and loaded in (self.input_loaded, self.weight_loaded):
                before.append(acquire(self.alone[kind], 1))
            pending.clear()
            nodes.append(self._load(lane, kind, tensor, bytes_, chunks, before, loaded))

        # Weights first: they seldom depend on anything, so they are fetched ahead.
        if "weight" in kinds and leaf.loads[CONSTANTS]:
            for tensor in task.constants:
                bytes_ = self._part_bytes(tensor, tile)
                one("weight", tensor, bytes_, tile.channel_chunks, self.constants_loaded)
        if "weight" in kinds and request.load_weight and leaf.loads[1]:
            one("weight", task.weight, tile.bytes(1, task.weight.bits), 1, self.weight_loaded)
        if "input" in kinds and request.load_streaming and leaf.loads[0]:
            bytes_ = tile.bytes(0, task.streaming.bits)
            one("input", task.streaming, bytes_, tile.chunks[0], self.input_loaded)
        if "input" in kinds and leaf.first_k:
            for tensor in task.extra:
                bytes_ = tile.bytes(2, tensor.bits)
                one("input", tensor, bytes_, tile.chunks[2], self.operand_loaded)
        return tuple(nodes)

    def _part_bytes(self, tensor: Tensor, tile: Tile) -> int:
        """Bytes of the constants of a tile's channels."""
        channels = self.request.nest.channels
        return ceil(tensor.elements * tensor.bits * tile.channels / (8 * channels))

    def _waits_for_constants(self, leaf: Leaf) -> list[Step]:
        """Taken by whoever applies the constants: the vector unit, or the array without one."""
        count = len(self.task.constants)
        return [acquire(self.constants_loaded, count)] if count and leaf.loads[CONSTANTS] else []

    def _free_constants(self, leaf: Leaf) -> list[Step]:
        bytes_ = sum(self._part_bytes(t, leaf.tile) for t in self.task.constants)
        if not bytes_ or not leaf.frees[CONSTANTS]:
            return []
        return [release(self.streams.buffer("weight"), bytes_)]

    # Array

    def _accumulator_bytes(self, tile: Tile) -> int:
        return tile.bytes(2, self.design.array.accumulator_bits)

    def _array_task(self, leaf: Leaf) -> tuple[Node, ...]:
        streams, request, task, tile = self.streams, self.request, self.task, leaf.tile
        before, after_last = self._ends(self.design.array.name, leaf)
        after: list[Step] = []
        if leaf.first and task.bias:
            before.append(acquire(self.weight_loaded, len(task.bias)))
        if not self.has_vector:
            before += self._waits_for_constants(leaf)
        if request.load_streaming and leaf.loads[0]:
            before.append(acquire(self.input_loaded, 1))
        if request.load_weight and leaf.loads[1]:
            before.append(acquire(self.weight_loaded, 1))
        if leaf.first_k:
            before.append(acquire(streams.buffer("accumulator"), self._accumulator_bytes(tile)))
        if request.load_streaming and leaf.frees[0]:
            bytes_ = tile.bytes(0, request.streaming_bits)
            after.append(release(streams.buffer("input"), bytes_))
            after += self._free_place("input")
        if request.load_weight and leaf.frees[1]:
            bytes_ = tile.bytes(1, request.weight_bits)
            after.append(release(streams.buffer("weight"), bytes_))
            after += self._free_place("weight")
        if not self.has_vector:
            after += self._free_constants(leaf)
            if leaf.last:
                after += self._free_bias()
        if leaf.last_k:
            after.append(self._hand_on(tile))
        place = self.drafting.slot(Multiply(
            tile, leaf.first_k, leaf.last_k, leaf.last, leaf.loads, tuple(before),
            (*after, *after_last),
        ))  # fmt: skip
        return (place,)

    def _places(self) -> dict[str, int]:
        """Operands of which one tile at a time lies in its buffer -> pool of that one place.

        In a memory that is not double-buffered the next tile arrives when this one has been used,
        unless the plan keeps several there anyhow.
        """
        plan = self.task.plan
        return {
            kind: self.streams.pool(f"place of {kind}", 1, cause=Cause.INPUT_SPACE)
            for kind, held in (("input", plan.hold_streaming), ("weight", plan.hold_weight))
            if not held and not (self.design.buffer(kind) or _DOUBLE).double_buffered
        }

    def _free_place(self, kind: str) -> list[Step]:
        return [release(self.alone[kind], 1)] if kind in self.alone else []

    def _free_bias(self) -> list[Step]:
        """Given by whoever applies the bias last: the vector unit, or the array without one."""
        bytes_ = sum(t.bytes for t in self.task.bias)
        return [release(self.streams.buffer("weight"), bytes_)] if bytes_ else []

    def _hand_on(self, tile: Tile) -> Step:
        """What the array does with a finished result tile."""
        if self.has_vector:
            return release(self.computed, 1)
        if self.request.store_result:
            return release(self.ready, 1)
        return release(self.streams.buffer("accumulator"), self._accumulator_bytes(tile))

    # Epilogue and store

    def _vector_task(self, leaf: Leaf) -> tuple[Node, ...]:
        streams, task, tile = self.streams, self.task, leaf.tile
        unit = self.design.vector
        before, after_last = self._ends(unit.name, leaf)
        before.append(acquire(self.computed, 1))
        if task.extra:
            before.append(acquire(self.operand_loaded, len(task.extra)))
        before += self._waits_for_constants(leaf)
        after: list[Step] = self._free_constants(leaf)
        if not self.in_place:
            after.append(release(streams.buffer("accumulator"), self._accumulator_bytes(tile)))
        extra = task.extra_bytes(tile)
        if extra:
            after.append(release(streams.buffer("input"), extra))
        if leaf.last:
            after += self._free_bias()
        if self.request.store_result:
            if not self.in_place:
                before.append(acquire(streams.buffer("output"), task.output_bytes(tile)))
            after.append(release(self.ready, 1))
        return (self.drafting.slot(Finish(tile, tuple(before), (*after, *after_last))),)

    def _store_task(self, lane: str, leaf: Leaf) -> tuple[Node, ...]:
        streams, task, tile = self.streams, self.task, leaf.tile
        before, after_last = self._ends(lane, leaf)
        before.append(acquire(self.ready, 1))
        bytes_ = task.output_bytes(tile)
        if self.has_vector and not self.in_place:
            after = [release(streams.buffer("output"), bytes_)]
        else:
            after = [release(streams.buffer("accumulator"), self._accumulator_bytes(tile))]
        result = task.result
        place = self.drafting.slot(Move(
            lane, "output", result.role.value, bytes_, tile.chunks[2], (result.bits, result.zeros),
            "output" if self.has_vector and not self.in_place else "accumulator",
            tuple(before), (*after, *after_last),
        ))  # fmt: skip
        return (place,)
