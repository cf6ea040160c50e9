"""A contraction's plan as streams: loads, array tiles, epilogue, stores, as loops of templates.

Only what tasks wait for and give is decided here; `pricing` says what they cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import NamedTuple

from cosim.design.design import Buffer, Design, Precision
from cosim.mapping.drafts import Draft, Drafting, Finish, Move, Multiply, Steps, known_drafts
from cosim.mapping.program import Step
from cosim.mapping.streams import Streams, acquire, load_lane, release, store_lane
from cosim.mapping.task_stream import Node
from cosim.mapping.tile_tree import Ends, Leaf, tile_tree
from cosim.mapping.tiles import Tile
from cosim.mapping.tiling import TilePlan, TileRequest
from cosim.memo import Signature, canonical
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor

_DOUBLE = Buffer("", (), 0)
"""What an operand without a staging buffer of its own is read like."""

_NO_STEPS: Steps = ()
_SUMS: Callable[[Ends], bool] = attrgetter("sums")
_STREAMING: Callable[[Ends], bool] = attrgetter("streaming")
_WEIGHT: Callable[[Ends], bool] = attrgetter("weight")
_CONSTANTS: Callable[[Ends], bool] = attrgetter("constants")


class Load(NamedTuple):
    """An operand that is loaded tile by tile.

    `kind` is the traffic and what the buffer holds, `elements` bits and share of zeros of an
    element, `token` what tells that it is there. `when` says by what begins with a tile whether it
    is loaded for it, `part` the bytes and contiguous pieces of the tile's part.
    """

    kind: str
    role: str
    elements: tuple[int, float]
    token: str
    when: Callable[[Ends], bool]
    part: Callable[[Tile], tuple[int, int]]


def _part(operand: int, tensor: Tensor, tile: Tile) -> tuple[int, int]:
    """Of the streaming operand (0) or of what has the shape of the result (2)."""
    return tile.bytes(operand, tensor.bits), tile.chunks(operand)


def _weight_part(tensor: Tensor, tile: Tile) -> tuple[int, int]:
    """Of the weight, which is moved in one piece."""
    return tile.bytes(1, tensor.bits), 1


@dataclass(frozen=True)
class ArrayTask:
    """A group on the array, ready to be lowered."""

    group: int
    name: str
    request: TileRequest
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

    @cached_property
    def draft_signature(self) -> Signature:
        """Equal for tasks that differ in nothing but what their tiles cost."""

        def kind(tensor: Tensor) -> tuple[object, ...]:
            return (tensor.bits, tensor.role, tensor.elements, tensor.zeros)

        return canonical(Signature((
            self.request.signature, kind(self.streaming), kind(self.weight), kind(self.result),
            tuple(map(kind, self.extra)), tuple(map(kind, self.bias)),
            tuple(map(kind, self.constants)),
        )))  # fmt: skip

    @property
    def unit_precision(self) -> Precision | None:
        """How the vector unit works on the results."""
        return self.vector_precision

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        """What is loaded for tiles, in order.

        Weights first: they seldom depend on anything, so they are fetched ahead.
        """

        def of(
            tensor: Tensor, kind: str, token: str, when: Callable[[Ends], bool],
            part: Callable[[Tile], tuple[int, int]],
        ) -> Load:  # fmt: skip
            return Load(kind, tensor.role.value, (tensor.bits, tensor.zeros), token, when, part)

        request, streaming, weight = self.request, self.streaming, self.weight
        loads = [
            of(t, "weight", "constants", _CONSTANTS, partial(self._constants_part, t))
            for t in self.constants
        ]
        if request.load_weight:
            loads.append(of(weight, "weight", "weight", _WEIGHT, partial(_weight_part, weight)))
        if request.load_streaming:
            loads.append(of(streaming, "input", "input", _STREAMING, partial(_part, 0, streaming)))
        loads += [of(t, "input", "operand", _SUMS, partial(_part, 2, t)) for t in self.extra]
        return tuple(loads)

    def _constants_part(self, tensor: Tensor, tile: Tile) -> tuple[int, int]:
        return self.part_bytes(tensor, tile), tile.channel_chunks

    @cached_property
    def bias_bytes(self) -> int:
        """Bytes of the operands that are loaded once."""
        return sum(tensor.bytes for tensor in self.bias)

    @cached_property
    def channels(self) -> int:
        """Channels of the result."""
        return self.request.nest.channels

    def extra_bytes(self, tile: Tile) -> int:
        """Bytes of the epilogue's whole operands that belong to a tile."""
        return sum([tile.bytes(2, tensor.bits) for tensor in self.extra])

    def output_bytes(self, tile: Tile) -> int:
        """Bytes that the group writes of a tile of results."""
        elements = -(-tile.elements[2] // self.request.store_divisor)
        return -(-elements * self.request.result_bits // 8)

    def part_bytes(self, tensor: Tensor, tile: Tile) -> int:
        """Bytes of the constants of a tile's channels."""
        return -(-tensor.elements * tensor.bits * tile.channels // (8 * self.channels))


class _Fetch:
    """Loads of an operand.

    Only the first task of a group waits for more than room, so all others of the same tile are one
    slot.
    """

    def __init__(self, lane: str, load: Load, buffer: int, place: Steps, loaded: int) -> None:
        self.when, self.kind = load.when, load.kind
        self._lane, self._load, self._buffer, self._place = lane, load, buffer, place
        self._after = (release(loaded, 1),)
        self._slots: dict[Tile, int] = {}

    def of(self, tile: Tile, given: Steps) -> Move:
        """The load of a tile, after the steps `given`."""
        kind, role, elements, _, _, part = self._load
        bytes_, chunks = part(tile)
        before = (*given, acquire(self._buffer, bytes_), *self._place)
        return Move(self._lane, kind, role, bytes_, chunks, elements, kind, before, self._after)

    def slot(self, tile: Tile, drafting: Drafting) -> int:
        """The slot of a load that is not the group's first."""
        found = self._slots.get(tile)
        if found is None:
            found = self._slots[tile] = drafting.slot(self.of(tile, ()))
        return found


class ArrayLowering:
    """Drafts one `ArrayTask`, cut as `plan` says.

    Parameters
    ----------
    waits : dict
        Component -> steps before its first task (command, dependencies, fills); ``lane/kind`` ->
        those before the first load of that kind.
    signals : dict
        Component -> steps after its last task.
    design : Design
        As the engine that runs the group sees it.
    drafting : Drafting
        What is done before.
    """

    def __init__(
        self, streams: Streams, task: ArrayTask, plan: TilePlan, waits: dict[str, Steps],
        signals: dict[str, Steps], design: Design, drafting: Drafting,
    ) -> None:  # fmt: skip
        self.streams, self.task, self.plan, self.drafting = streams, task, plan, drafting
        self.waits, self.signals = waits, signals
        self.design, self.request = design, task.request
        self.has_vector = self.request.vector_cycles > 0
        shared = streams.array_phase
        self.input_loaded = streams.pool("input loaded", phase=shared, cause=Cause.INPUT)
        self.weight_loaded = streams.pool("weight loaded", phase=shared, cause=Cause.INPUT)
        self.operand_loaded = streams.pool("operand loaded", cause=Cause.INPUT)
        self.computed = streams.pool("tile computed", cause=Cause.RESULT)
        self.constants_loaded = -1
        if task.constants:
            self.constants_loaded = streams.pool("constants loaded", cause=Cause.INPUT)
        maker = design.vector if self.has_vector else design.array
        self.ready = streams.pool(f"result ready < {maker.name}", cause=Cause.RESULT)
        self.in_place = design.vector.in_place and self.request.store_result
        self.alone = self._places()

    def draft(self) -> Draft:
        """The group's tasks, behind those drafted before.

        The same object for tasks that differ in nothing but cost.
        """
        key = (
            self.task.draft_signature, self.plan.shape, tuple(self.waits.items()),
            tuple(self.signals.items()), self._machine(), self.drafting.slots,
        )  # fmt: skip
        draft = known_drafts.get(key)
        if draft is None:
            draft = known_drafts[key] = self._draft()
        return draft

    def _machine(self) -> tuple[object, ...]:
        """What a draft depends on of the machine: names of components and numbers of pools."""
        streams, design, buffer = self.streams, self.design, self.streams.buffer
        return (
            design.array.name, design.array.accumulator_bits, design.vector.name, self.in_place,
            *self.alone.items(),
            load_lane(streams.load["input"]), load_lane(streams.load["weight"]),
            store_lane(streams.store),
            buffer("input"), buffer("weight"), buffer("accumulator"), buffer("output"),
            self.input_loaded, self.weight_loaded, self.operand_loaded, self.computed, self.ready,
            self.constants_loaded,
        )  # fmt: skip

    def _draft(self) -> Draft:
        streams, draft = self.streams, self.drafting
        self.tree = tile_tree(self.request.nest, self.plan)
        load = {kind: load_lane(streams.load[kind]) for kind in ("input", "weight")}
        for lane in dict.fromkeys(load.values()):
            draft.append(lane, self._loads(lane, [k for k, name in load.items() if name == lane]))
        draft.append(self.design.array.name, self._products())
        if self.has_vector:
            draft.append(self.design.vector.name, self._epilogues())
        if self.request.store_result:
            lane = store_lane(streams.store)
            draft.append(lane, self._stores(lane))
        return draft.finished()

    def _places(self) -> dict[str, int]:
        """Operands of which one tile at a time lies in its buffer -> pool of that one place.

        In a memory that is not double-buffered the next tile arrives when this one has been used,
        unless the plan keeps several there anyhow.
        """
        plan = self.plan
        return {
            kind: self.streams.pool(f"place of {kind}", 1, cause=Cause.INPUT_SPACE)
            for kind, held in (("input", plan.hold_streaming), ("weight", plan.hold_weight))
            if not held and not (self.design.buffer(kind) or _DOUBLE).double_buffered
        }

    # Loads

    def _loads(self, lane: str, kinds: list[str]) -> tuple[Node, ...]:
        """What a channel loads: operands for all tiles first, then those of tile after tile."""
        drafting = self.drafting
        given = dict(self.waits)  # what no load has waited for yet

        def waited(kind: str) -> Steps:
            return (*given.pop(lane, ()), *given.pop(f"{lane}/{kind}", ()))

        def whole(tensor: Tensor) -> int:
            take = acquire(self.streams.buffer("weight"), tensor.bytes)
            return drafting.slot(Move(
                lane, "weight", tensor.role.value, tensor.bytes, 1, (tensor.bits, tensor.zeros),
                "weight", (*waited("weight"), take), (release(self.weight_loaded, 1),),
            ))  # fmt: skip

        once = tuple(map(whole, self.task.bias)) if "weight" in kinds else ()
        fetches = [self._fetch(lane, load) for load in self.task.loads if load.kind in kinds]

        def tasks(leaf: Leaf) -> tuple[Node, ...]:
            tile, begins, _ = leaf
            if begins.group:
                moves = [f.of(tile, waited(f.kind)) for f in fetches if f.when(begins)]
                return tuple(map(drafting.slot, moves))
            return tuple([f.slot(tile, drafting) for f in fetches if f.when(begins)])

        tiles = self.tree.tiles
        return once + tiles.stream([tasks(leaf) for leaf in tiles.leaves])

    def _fetch(self, lane: str, load: Load) -> _Fetch:
        loaded = {
            "input": self.input_loaded, "weight": self.weight_loaded,
            "operand": self.operand_loaded, "constants": self.constants_loaded,
        }[load.token]  # fmt: skip
        place = self.alone.get(load.token)
        places = () if place is None else (acquire(place, 1),)
        return _Fetch(lane, load, self.streams.buffer(load.kind), places, loaded)

    def _freed_place(self, kind: str) -> Steps:
        return (release(self.alone[kind], 1),) if kind in self.alone else ()

    # Constants and bias

    def _constants_there(self) -> Steps:
        """Waited for by whoever applies the constants: the vector unit, or the array without."""
        count = len(self.task.constants)
        return (acquire(self.constants_loaded, count),) if count else ()

    def _freed_constants(self, tile: Tile, ends: Ends) -> Steps:
        """Given by whoever applies them, with their last tile."""
        if not ends.constants or not self.task.constants:
            return ()
        bytes_ = sum([self.task.part_bytes(tensor, tile) for tensor in self.task.constants])
        return (release(self.streams.buffer("weight"), bytes_),) if bytes_ else ()

    def _freed_bias(self, ends: Ends) -> Steps:
        """Given with the group's last tile by whoever applies it."""
        if not ends.group or not self.task.bias_bytes:
            return ()
        return (release(self.streams.buffer("weight"), self.task.bias_bytes),)

    # Array

    def _products(self) -> tuple[Node, ...]:
        """What the array computes: every tile."""
        request, task, buffer = self.request, self.task, self.streams.buffer
        name, drafting = self.design.array.name, self.drafting
        first, last = self.waits.get(name, ()), self.signals.get(name, ())
        if task.bias:
            first = (*first, acquire(self.weight_loaded, len(task.bias)))
        constants = () if self.has_vector else self._constants_there()
        streaming = (acquire(self.input_loaded, 1),) if request.load_streaming else ()
        weight = (acquire(self.weight_loaded, 1),) if request.load_weight else ()
        inputs, weights, sums = buffer("input"), buffer("weight"), buffer("accumulator")
        places = self._freed_place("input"), self._freed_place("weight")
        sum_bits = self.design.array.accumulator_bits

        def tasks(leaf: Leaf) -> tuple[Node, ...]:
            tile, begins, ends = leaf
            before, after = first if begins.group else (), _NO_STEPS
            if begins.constants:
                before += constants
            if begins.streaming:
                before += streaming
            if begins.weight:
                before += weight
            if begins.sums:
                before += (acquire(sums, tile.bytes(2, sum_bits)),)
            if streaming and ends.streaming:
                after += (release(inputs, tile.bytes(0, request.streaming_bits)), *places[0])
            if weight and ends.weight:
                after += (release(weights, tile.bytes(1, request.weight_bits)), *places[1])
            if not self.has_vector:
                after += self._freed_constants(tile, ends) + self._freed_bias(ends)
            if ends.sums:
                after += (self._handed_on(tile),)
            if ends.group:
                after += last
            loads = (begins.streaming, begins.weight, begins.constants)
            product = Multiply(tile, begins.sums, ends.sums, ends.group, loads, before, after)
            return (drafting.slot(product),)

        tiles = self.tree.tiles
        return tiles.stream([tasks(leaf) for leaf in tiles.leaves])

    def _handed_on(self, tile: Tile) -> Step:
        """What the array does with a finished tile of results."""
        if self.has_vector:
            return release(self.computed, 1)
        if self.request.store_result:
            return release(self.ready, 1)
        return self._freed_sums(tile)

    def _freed_sums(self, tile: Tile) -> Step:
        bytes_ = tile.bytes(2, self.design.array.accumulator_bits)
        return release(self.streams.buffer("accumulator"), bytes_)

    # Epilogue and store

    def _epilogues(self) -> tuple[Node, ...]:
        """What the vector unit makes of finished sums."""
        task, drafting, buffer = self.task, self.drafting, self.streams.buffer
        name, stores = self.design.vector.name, self.request.store_result
        first, last = self.waits.get(name, ()), self.signals.get(name, ())
        operands: Steps = (acquire(self.computed, 1),)
        if task.extra:
            operands += (acquire(self.operand_loaded, len(task.extra)),)
        constants = self._constants_there()

        def tasks(leaf: Leaf) -> tuple[Node, ...]:
            tile, begins, ends = leaf
            before, after = (*first, *operands) if begins.group else operands, _NO_STEPS
            if begins.constants:
                before += constants
            if stores and not self.in_place:
                before += (acquire(buffer("output"), task.output_bytes(tile)),)
            after += self._freed_constants(tile, ends)
            if not self.in_place:
                after += (self._freed_sums(tile),)
            extra = task.extra_bytes(tile)
            if extra:
                after += (release(buffer("input"), extra),)
            after += self._freed_bias(ends)
            if stores:
                after += (release(self.ready, 1),)
            if ends.group:
                after += last
            return (drafting.slot(Finish(tile, before, after)),)

        results = self.tree.results
        return results.stream([tasks(leaf) for leaf in results.leaves])

    def _stores(self, lane: str) -> tuple[Node, ...]:
        """What is stored: every tile of the result, from where it was made."""
        task, result, drafting = self.task, self.task.result, self.drafting
        first, last = self.waits.get(lane, ()), self.signals.get(lane, ())
        ready = (acquire(self.ready, 1),)
        moved = self.has_vector and not self.in_place
        output, holds = self.streams.buffer("output"), "output" if moved else "accumulator"
        role, elements = result.role.value, (result.bits, result.zeros)

        def tasks(leaf: Leaf) -> tuple[Node, ...]:
            tile, begins, ends = leaf
            bytes_ = task.output_bytes(tile)
            after = (release(output, bytes_) if moved else self._freed_sums(tile),)
            return (drafting.slot(Move(
                lane, "output", role, bytes_, tile.chunks(2), elements, holds,
                (*first, *ready) if begins.group else ready,
                (*after, *last) if ends.group else after,
            )),)  # fmt: skip

        results = self.tree.results
        return results.stream([tasks(leaf) for leaf in results.leaves])
