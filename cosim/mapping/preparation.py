"""What there is to do for every group, whatever buffers, clocks and memory the machine has.

Operands of its engine, what its tiling must know, which group it waits for, and what is fetched for
it first. It follows from what engines can do, from where tensors are and from which channel carries
what, so it is prepared once for all machines that are alike in that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from cosim.design.design import Design, GivenTiling, Precision
from cosim.mapping.fusion import Group
from cosim.mapping.given import check_layers, given_tiling
from cosim.mapping.known import remember
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.nest import Nest
from cosim.mapping.order import Ordering
from cosim.mapping.placing import Placing
from cosim.mapping.rescale import bias_of, sums_integers
from cosim.mapping.row_gather import row_gather, row_scatter
from cosim.mapping.streams import HOST, load_lane, store_lane
from cosim.mapping.tiling import TileRequest
from cosim.mapping.transfer import channel_for
from cosim.mapping.work import lane_operations
from cosim.memo import Signature, canonical
from cosim.workload.workload import Kind, Tensor


@dataclass
class Operands:
    """Tensors of a group by how they get to its engine."""

    streaming: Tensor | None
    weight: Tensor | None
    bias: list[Tensor]
    extra: list[Tensor]
    others: list[Tensor]
    of_channels: frozenset[int] = frozenset()
    """Those of `bias` that rescale or shift the channels of the result."""


class Fill(NamedTuple):
    """A resident tensor that is fetched before the group that reads it first."""

    role: str
    bytes: int
    reader: str
    """The component that reads it."""


class Contractions(NamedTuple):
    """What the tilings of an array must know, once for all contractions that are equal."""

    requests: dict[Signature, TileRequest]
    key: Signature
    """Stands for them all."""

    @classmethod
    def of(cls, requests: dict[Signature, TileRequest]) -> Contractions:
        return cls(requests, canonical(Signature(tuple(requests))))


@dataclass(frozen=True)
class Preparation:
    """What there is to do; lists have one entry a group.

    Attributes
    ----------
    requests : list of TileRequest or None
        What its tiling must know.
    fills : list of list of Fill
    finisher : list of str
        The component that finishes it.
    participants : list of list of str
        The components that take part and get a command for it, in order.
    waits : list of dict
        Key of a task -> pools it takes a token from.
    signals : list of list of str
        Pools that it gives a token when it is finished.
    turns : list of tuple
        Pools by which array engines take turns: where its engine takes a token, and gives one.
    contractions : dict
        Array -> the contractions that it runs.
    """

    requests: list[TileRequest | None]
    fills: list[list[Fill]]
    finisher: list[str]
    participants: list[list[str]]
    waits: list[dict[str, list[str]]]
    signals: list[list[str]]
    turns: list[tuple[str | None, str | None]]
    array_tasks: list[tuple[ArrayTask, ArrayTask] | None]
    """Where constants of channels come whole, and in parts."""
    contractions: dict[str, Contractions]
    given: list[tuple[Group, TileRequest, GivenTiling]]
    """Groups whose tiling is not searched for."""
    tokens: dict[tuple[bool, ...], object] = field(default_factory=dict)

    def token(self, design: Design) -> object:
        """Stands for all that decides how a group is drafted, beside its pools and how it is cut.

        That is all of this, and whether memories of operands hold a tile beside the next.
        """
        buffers = (design.buffer("input"), design.buffer("weight"))
        single = [buffer is not None and not buffer.double_buffered for buffer in buffers]
        return self.tokens.setdefault((design.vector.in_place, *single), object())


def preparation_of(placing: Placing, design: Design) -> Preparation:
    """What there is to do on a design.

    Raises
    ------
    CosimError
        A layer with a given tiling that no group is called.
    """
    vector = design.vector
    # beside what it is made of, which memory holds what: drafts are known by their preparation
    key = (
        tuple([(a.name, a.accumulator_bits) for a in design.arrays]), vector.name, vector.chained,
        tuple([(c.name, c.carries) for c in design.dma]),
        tuple([(b.name, b.holds) for b in design.buffers]), design.mapping.layers,
    )  # fmt: skip
    return remember(placing.known, key, lambda: _Preparer(placing, design).prepare())


class _Preparer:
    def __init__(self, placing: Placing, design: Design) -> None:
        self.placing, self.design, self.tensors = placing, design, placing.tensors
        self.load = {k: load_lane(channel_for(design, k)) for k in ("input", "weight")}
        self.store = store_lane(channel_for(design, "output"))

    def prepare(self) -> Preparation:
        groups, nests = self.placing.grouping.groups, self.placing.nests
        check_layers(self.design, [group.name for group in groups if group.array])
        operands = [self._operands(group) for group in groups]
        requests = [
            self._request(g, o, n) if n is not None else None
            for g, o, n in zip(groups, operands, nests, strict=True)
        ]
        every = list(zip(groups, operands, requests, strict=True))
        finisher = [self._finisher(g, r) for g, _, r in every]
        self.ordering = Ordering(finisher)
        fills = [self._order(p, g, o, r) for p, (g, o, r) in enumerate(every)]
        waits: list[dict[str, list[str]]] = [{} for _ in groups]
        for (p, key), pools in self.ordering.waits.items():
            waits[p][key] = pools
        return Preparation(
            requests, fills, finisher,
            [self._participants(*one, f) for one, f in zip(every, fills, strict=True)], waits,
            [self.ordering.signals.get(p, []) for p in range(len(groups))], self._turns(),
            [
                None if r is None else (self._task(p, g, o, r, []),
                                        self._task(p, g, o, r, self._constants(o, r.nest)))
                for p, (g, o, r) in enumerate(every)
            ],
            self._contractions(requests),
            [(g, r, r.given) for g, _, r in every if r is not None and r.given is not None],
        )  # fmt: skip

    def _contractions(self, requests: list[TileRequest | None]) -> dict[str, Contractions]:
        asked: dict[str, dict[Signature, TileRequest]] = {}
        for group, request in zip(self.placing.grouping.groups, requests, strict=True):
            if request is not None:
                asked.setdefault(group.array, {})[request.signature] = request
        return {name: Contractions.of(of_array) for name, of_array in asked.items()}

    # Operands

    def _operands(self, group: Group) -> Operands:
        reads = [self.tensors[t] for t in group.reads]
        if group.anchor is None:
            return Operands(None, None, [], [], reads)
        streaming = self.tensors[group.anchor.accesses[0].tensor]
        weight = self.tensors[group.anchor.accesses[1].tensor]
        whole = self.tensors[group.anchor.outputs[0]].elements
        addend = bias_of(group.anchor, self.tensors)
        channels = {t.id for t in (addend, group.prepared) if t is not None}
        # the array's own operands, if the epilogue reads them again (x + f(x))
        again = {t for op in group.epilogue for t in op.inputs}
        rest = [t for t in reads if t.id not in (streaming.id, weight.id) or t.id in again]
        extra = [t for t in rest if t.elements == whole and t.elements > 1 and t.id not in channels]
        bias = [t for t in rest if t not in extra]
        return Operands(streaming, weight, bias, extra, [], frozenset(channels))

    def _request(self, group: Group, operands: Operands, nest: Nest) -> TileRequest:
        assert group.anchor
        assert operands.streaming
        assert operands.weight
        assert group.precision
        anchor = self.tensors[group.anchor.outputs[0]]
        result = self.tensors[group.writes[-1]]
        work = [lane_operations(op, self.tensors) for op in group.epilogue]
        operations = max(work, default=0) if self.design.vector.chained else sum(work)
        stored, resident = self.placing.stored(result), self.placing.resident
        unit = self._vector_precision(group)
        step = unit.cycles_per_step if unit else 1
        per_element = operations * step / anchor.elements
        converts = (
            result.bits != self.design.array_named(group.array).accumulator_bits
            or resident(result)
            or sums_integers(group.anchor, self.tensors)
        )
        if not per_element and (converts or operands.extra):
            per_element = 1.0 * step
        pool = [op for op in group.epilogue if op.kind is Kind.POOLING]
        windows = _window(nest, pool[0].attributes.get("kernel")) if pool else ()
        return TileRequest(
            nest, operands.streaming.bits, operands.weight.bits, result.bits,
            sum(t.bits for t in operands.extra if not resident(t)),
            not resident(operands.streaming), not resident(operands.weight), stored,
            sum(t.bytes for t in operands.bias if not resident(t)), per_element,
            group.precision.cycles_per_step, max(1, anchor.elements // max(1, result.elements)),
            windows,
            sum(work) / anchor.elements if self.design.vector.chained else 0.0,
            operands.streaming.zeros, result.zeros,
            sum(t.bytes for t in self._constants(operands, nest)),
            given_tiling(self.design, group.name),
        )  # fmt: skip

    def _constants(self, operands: Operands, nest: Nest) -> list[Tensor]:
        """Operands from DRAM with an entry for every channel of the result, or several."""
        channels = nest.channels
        return [
            t
            for t in operands.bias
            if t.id in operands.of_channels
            and not self.placing.resident(t)
            and not t.elements % channels
        ]

    def _vector_precision(self, group: Group) -> Precision | None:
        """How the vector unit works on an array group's results: as the array's operands are."""
        floating = group.precision is not None and group.precision.name.startswith("float")
        fitting = [
            p for p in self.design.vector.precisions if p.name.startswith("float") is floating
        ]
        every = fitting or list(self.design.vector.precisions)
        return (
            max(every, key=lambda p: p.name, default=None)
            if floating
            else min(every, key=lambda p: p.cycles_per_step, default=None)
        )

    def _task(
        self, p: int, group: Group, operands: Operands, request: TileRequest,
        constants: list[Tensor],
    ) -> ArrayTask:  # fmt: skip
        """A group on the array, with these of its operands in parts."""
        assert operands.streaming
        assert operands.weight
        assert group.precision
        extra, once = (
            [t for t in tensors if not self.placing.resident(t)]
            for tensors in (operands.extra, operands.bias)
        )
        return ArrayTask(
            p, group.name, request, operands.streaming, operands.weight,
            self.tensors[group.writes[-1]], tuple(extra),
            tuple(t for t in once if t not in constants), tuple(constants),
            group.precision, self._vector_precision(group), group.array,
        )  # fmt: skip

    # Order

    def _finisher(self, group: Group, request: TileRequest | None) -> str:
        if group.engine == "host":
            return HOST
        if any(self.placing.stored(self.tensors[t]) for t in group.writes):
            return self.store
        if request is not None and not request.vector_cycles:
            return group.array
        return self.design.vector.name

    # Order

    def _writers(self, group: Group, tensor: Tensor) -> list[str]:
        """Components that write a result: on chip as it is made, to DRAM as it is stored."""
        if group.engine == "host":
            return [HOST]
        on_chip = [self.design.vector.name] if self.placing.resident(tensor) else []
        return on_chip + ([self.store] if self.placing.stored(tensor) else [])

    def _reader(
        self, group: Group, operands: Operands, tensor: Tensor, request: TileRequest | None
    ) -> tuple[str, str]:
        """Component that reads a tensor in a group, and the key of its first task that does."""
        if group.engine == "host":
            return HOST, HOST
        anchor = (operands.streaming, operands.weight)
        if self.placing.resident(tensor):
            on_array = any(t is not None and t.id == tensor.id for t in anchor)
            on_array |= request is not None and not request.vector_cycles
            name = group.array if on_array else self.design.vector.name
            return name, name
        weight = operands.weight is not None and tensor.id == operands.weight.id
        kind = "weight" if weight or tensor in operands.bias else "input"
        lane = self.load[kind]
        return lane, f"{lane}/{kind}" if group.anchor is not None else lane

    def _order(
        self, p: int, group: Group, operands: Operands, request: TileRequest | None
    ) -> list[Fill]:
        """Enter the group's waits; returns resident tensors to be fetched first."""
        reads = [self.tensors[t] for t in group.reads]
        fills: dict[int, Tensor] = {}
        for tensor in reads:
            storage = self.placing.storage(tensor)
            if storage.resident and storage.exists_before and min(storage.readers) == p:
                fills.setdefault(storage.id, tensor)
        # in the order of the stream: a token taken first must be the one given first
        for storage_id in fills:
            for on in sorted(self.placing.reused.get(storage_id, set())):
                self.ordering.wait(p, self.load["input"], self.load["input"], on)
        keyed = [(*self._reader(group, operands, tensor, request), tensor) for tensor in reads]
        keyed += [(self.load["input"], self.load["input"], t) for t in self._told_to_load(group)]
        for component, key, tensor in sorted(keyed, key=lambda k: not k[1].endswith("/weight")):
            storage = self.placing.storage(tensor)
            for writer in storage.writers:
                if writer < p:
                    self.ordering.wait(p, component, key, writer)
            if storage.resident and storage.exists_before and min(storage.readers) < p:
                self.ordering.wait(p, component, key, min(storage.readers))
        dependent = {self.placing.position[d] for d in group.depends if d in self.placing.position}
        for t in group.writes:
            storage = self.placing.storage(self.tensors[t])
            before = dependent | {r for r in storage.readers + storage.writers if r < p}
            if min(storage.writers) == p:
                before |= self.placing.reused.get(storage.id, set())
            for name in self._writers(group, self.tensors[t]):
                for on in sorted(before):
                    self.ordering.wait(p, name, name, on)
        return [
            Fill(s.role, s.bytes, self._reader(group, operands, tensor, request)[0])
            for s, tensor in ((self.placing.storage(t), t) for t in fills.values())
        ]

    def _told_to_load(self, group: Group) -> list[Tensor]:
        """Indices on chip that say which rows of a tensor in DRAM are loaded."""
        if group.engine != "vector":
            return []
        gather = row_gather(group.ops[0], self.tensors)
        scatter = row_scatter(group.ops[0], self.tensors)
        named = [(g.index, g.table) for g in (gather,) if g]
        named += [(s.index, s.result) for s in (scatter,) if s]
        return [
            self.tensors[index] for index, table in named
            if index in group.reads and self.placing.resident(self.tensors[index])
            and not self.placing.resident(self.tensors[table])
        ]  # fmt: skip

    def _participants(
        self, group: Group, operands: Operands, request: TileRequest | None, fills: list[Fill]
    ) -> list[str]:
        """The components that take part in a group; none but itself in one of the host."""
        if group.engine == "host":
            return []
        names: list[str] = []
        if request is None:
            if fills or any(not self.placing.resident(t) for t in operands.others):
                names.append(self.load["input"])
            return [*names, self.design.vector.name]
        if fills or request.load_streaming or request.extra_bits:
            names.append(self.load["input"])
        if request.load_weight or request.bias_bytes:
            names.append(self.load["weight"])
        return [*dict.fromkeys(names), group.array]

    def _turns(self) -> list[tuple[str | None, str | None]]:
        """Let array engines take turns in the order of the groups.

        They share buffers and what feeds and empties them: an engine that ran ahead could fill the
        accumulators while the vector unit waits for tiles of an earlier group.
        """
        array_of = self.placing.array_of
        turns: list[tuple[str | None, str | None]]
        turns = [(None, None)] * len(self.placing.grouping.groups)
        for p, then in pairwise(array_of):
            if array_of[p] != array_of[then]:
                pool = f"turn {array_of[p]} > {array_of[then]}"
                turns[p], turns[then] = (turns[p][0], pool), (pool, None)
        return turns


def _window(nest: Nest, kernel: object) -> tuple[tuple[str, int], ...]:
    """Loops whose tiles must hold whole pooling windows."""
    sizes = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)  # type: ignore[arg-type]
    loops = [d.loop for d in nest.result.dimensions[-len(sizes) :]]
    return tuple(zip(loops, (int(s) for s in sizes), strict=True))
