"""Mapping: how a workload runs on a design.

::

    operations --fusion--> groups --residency--> places --tiling--> plans --lowering--> program

`map_workload` is the whole of it. The result keeps, beside the program, the groups, places and
plans that explain it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from cosim.design.design import Design, DramTier, Precision
from cosim.errors import CosimError
from cosim.mapping.cuts import Room
from cosim.mapping.drafts import Command, DraftedGroup, Drafting, Move, Steps
from cosim.mapping.fusion import Group, Grouping, group_operations, moved_to_host
from cosim.mapping.given import check_given, check_layers, given_tiling
from cosim.mapping.governing import govern
from cosim.mapping.host_tasks import emit_host, emit_preparation
from cosim.mapping.lower_array import ArrayLowering, ArrayTask
from cosim.mapping.lower_scatter import draft_scatter
from cosim.mapping.lower_vector import (
    VectorLowering,
    VectorTask,
    cut_of,
    find_cut,
    room_of,
    why_not,
)  # fmt: skip
from cosim.mapping.nest import Nest, nest_of
from cosim.mapping.order import Ordering, reused_addresses
from cosim.mapping.pricing import Pricing
from cosim.mapping.program import Program
from cosim.mapping.rescale import MACHINE_FIXED_POINT, bias_of, sums_integers
from cosim.mapping.residency import MemoryMap, Storage, place_tensors
from cosim.mapping.row_gather import row_gather, row_scatter
from cosim.mapping.streams import (
    HOST,
    Streams,
    acquire,
    load_lane,
    release,
    store_lane,
)  # fmt: skip
from cosim.mapping.tiling import TilePlan, TileRequest, infeasible, search_all
from cosim.mapping.work import host_operations, lane_operations
from cosim.memo import Memo, Signature
from cosim.timeline.causes import Cause
from cosim.workload.workload import Kind, Tensor, Workload

_plans: Memo[tuple[object, ...], dict[Signature, TilePlan | None]] = Memo("tilings", 256)
"""Tilings found in this process, by machine, then by contraction; None where none fits."""

_drafted: Memo[tuple[object, ...], DraftedGroup[ArrayTask | VectorTask]] = Memo(
    "drafted groups", 2048
)


@dataclass(frozen=True)
class Mapping:
    """A workload on a design: the program and the decisions behind it."""

    workload: Workload
    design: Design
    grouping: Grouping
    memory: MemoryMap
    plans: dict[int, tuple[TileRequest, TilePlan]]
    """Position of a group on the array -> what was asked and the tiling chosen."""
    program: Program


_prepared: dict[int, tuple[weakref.ref[Workload], dict[object, object]]] = {}
"""What mapping knows of a workload whatever the design, by identity of the workload."""

LAST_MAPPINGS = 4
"""Mappings of a workload that are kept whole: one looks at the same design again."""

_NO_WORKLOAD = Workload("", (), ())

KNOWN_OF_A_WORKLOAD = 256
"""Facts that are remembered of each."""

Kept = TypeVar("Kept")


def _known(workload: Workload) -> dict[object, object]:
    """The memo of a workload; it goes when the workload goes."""
    entry = _prepared.get(id(workload))
    if entry is None or entry[0]() is not workload:
        number, memos = id(workload), _prepared  # modules are emptied before the last workloads go
        gone = weakref.ref(workload, lambda _: memos.pop(number, None))
        entry = _prepared[number] = (gone, {})
    return entry[1]


def _remember(known: dict[object, object], key: object, make: Callable[[], Kept]) -> Kept:
    if key not in known:
        made = make()
        if len(known) >= KNOWN_OF_A_WORKLOAD:
            known.clear()
        known[key] = made
        return made
    return known[key]  # type: ignore[return-value]


def map_workload(workload: Workload, design: Design) -> Mapping:
    """Map `workload` onto `design`.

    Raises
    ------
    CosimError
        An operation that nothing can run, a tile that fits no buffer, tensors that exceed the
        DRAM, a power budget that could never admit a task.
    """
    last = _remember(_known(workload), "mappings", dict[Design, Mapping])
    made = last.get(design)
    if made is None:
        held = _in_fixed_point(workload, design.fixed_point_bits)
        mapping = _Mapper(_in_lanes(held, design.element_bits), design).run()
        if len(last) >= LAST_MAPPINGS:
            del last[next(iter(last))]
        # without the workload: what is remembered of it must not keep it alive
        last[design] = replace(mapping, workload=_NO_WORKLOAD)
        return mapping
    held = _in_fixed_point(workload, design.fixed_point_bits)
    return replace(made, workload=_in_lanes(held, design.element_bits), design=design)


def _in_fixed_point(workload: Workload, bits: int | None) -> Workload:
    """`workload` with integers for its real numbers; the same object every time."""
    if bits is None:
        return workload

    def held(tensor: Tensor) -> Tensor:
        if tensor.scheme or not tensor.dtype.startswith(("float", "bfloat")):
            return tensor
        return replace(tensor, bits=bits, scheme=MACHINE_FIXED_POINT)

    return _remember(
        _known(workload), ("fixed point", bits),
        lambda: replace(workload, tensors=tuple(held(tensor) for tensor in workload.tensors)),
    )  # fmt: skip


def _in_lanes(workload: Workload, bits: int) -> Workload:
    """`workload` with elements as wide as they are stored; the same object every time."""
    if all(tensor.bits >= bits for tensor in workload.tensors):
        return workload
    return _remember(
        _known(workload), ("lanes", bits),
        lambda: replace(
            workload, tensors=tuple(replace(t, bits=max(t.bits, bits)) for t in workload.tensors)
        ),
    )  # fmt: skip


@dataclass
class _Operands:
    """Tensors of a group by how they get to its engine."""

    streaming: Tensor | None
    weight: Tensor | None
    bias: list[Tensor]
    extra: list[Tensor]
    others: list[Tensor]
    of_channels: frozenset[int] = frozenset()
    """Those of `bias` that rescale or shift the channels of the result."""


@dataclass(frozen=True)
class _Preparation:
    """What there is to do, whatever buffers, clocks and memory the machine has.

    Attributes
    ----------
    operands, requests, fills : list, one entry a group
        Its operands, what its tiling must know, and the resident tensors fetched first.
    ordering : Ordering
    waits : list of dict
        Of each group: key of a task -> pools it takes a token from.
    """

    operands: list[_Operands]
    requests: list[TileRequest | None]
    ordering: Ordering
    fills: list[list[Tensor]]
    waits: list[dict[str, list[str]]]
    token: object
    """Stands for all this."""


class _Mapper:
    def __init__(self, workload: Workload, design: Design) -> None:
        self.workload, self.design = workload, design
        budget = design.power.budget_mw
        if budget is not None and budget <= design.static_mw:
            raise CosimError(
                f"the power budget of {budget:g} mW does not exceed static power, "
                f"{design.static_mw:g} mW",
                where=f"design '{design.name}', power.budget",
                expected=f"a budget above {design.static_mw:g} mW",
            )
        self.tensors = {t.id: t for t in workload.tensors}
        self.known = known = _known(workload)
        # what grouping depends on
        arrays = tuple((a.name, a.serves, a.precisions) for a in design.arrays)
        engines: tuple[object, ...] = (arrays, design.vector.precisions, design.vector.pools)
        place = (design.buffer("resident"), design.dram.capacity_bytes)
        grouping = _remember(known, ("groups", engines), lambda: group_operations(workload, design))
        self._place(engines, place, grouping)
        # what does not fit the vector unit's buffers is the host's, where it runs operations
        while design.host.operations_per_s > 0 and (moved := self._too_large()):
            engines = (*engines, tuple(moved.items()))
            grouping = _remember(
                known, ("groups", engines), partial(moved_to_host, self.grouping, moved)
            )
            self._place(engines, place, grouping)
        self.engines = engines
        self.nests = _remember(
            known, ("nests", engines),
            lambda: [nest_of(g.anchor) if g.anchor else None for g in self.grouping.groups],
        )  # fmt: skip
        self.streams = Streams(design)
        self.plans: dict[int, tuple[TileRequest, TilePlan]] = {}
        self.room = room_of(design)
        vector = design.vector
        stages = [design.buffer(holds) for holds in ("input", "weight")]
        # what of the machine decides how an array group is drafted, beside its pools
        self.staging = (vector.in_place, *(b is None or b.double_buffered for b in stages))
        self.array_of = {p: g.array for p, g in enumerate(self.grouping.groups) if g.array}
        self.position = {g.index: p for p, g in enumerate(self.grouping.groups)}
        self.load = {k: load_lane(self.streams.load[k]) for k in ("input", "weight")}
        self.store = store_lane(self.streams.store)

    def _place(
        self, engines: tuple[object, ...], place: tuple[object, ...], grouping: Grouping
    ) -> None:
        """Give the tensors between groups their places."""
        workload, design, known = self.workload, self.design, self.known
        self.grouping = grouping
        self.tensors |= {t.id: t for t in grouping.prepared}
        self.memory = memory = _remember(
            known, ("memory", engines, place), lambda: place_tensors(workload, grouping, design)
        )
        self.reused = _remember(known, ("reused", engines, place), lambda: reused_addresses(memory))
        self.memory_facts = _remember(known, ("facts", engines, place), memory.facts)
        # those made so far, by group, without waits and signals
        self.vector_tasks: dict[int, VectorTask] = _remember(
            known, ("vector tasks", engines, place), dict[int, VectorTask]
        )
        self.large: dict[Room, dict[int, str]] = _remember(
            known, ("too large", engines, place), dict[Room, dict[int, str]]
        )

    def _too_large(self) -> dict[int, str]:
        """Groups of the vector unit that cannot be cut to fit its buffers, and why."""
        room = room_of(self.design)
        if room not in self.large:
            tasks = [
                self._vector_facts(p, group)
                for p, group in enumerate(self.grouping.groups) if group.engine == "vector"
            ]  # fmt: skip
            self.large[room] = {
                task.group: f"it {why_not(task, room)}"
                for task in tasks if find_cut(task, room) is None
            }  # fmt: skip
        return self.large[room]

    def run(self) -> Mapping:
        groups = self.grouping.groups
        self.prepared = _remember(self.known, self._preparation_key(), self._prepare)
        operands, requests = self.prepared.operands, self.prepared.requests
        for group, request in zip(groups, requests, strict=True):
            if request is not None and request.given is not None:
                check_given(
                    request.given, request.nest, request.multiples,
                    self.design.array_named(group.array), group.name,
                )  # fmt: skip
        self.ordering = self.prepared.ordering
        self.found = {
            name: self._search(name, [r for g, r in zip(groups, requests, strict=True)
                                      if r is not None and g.array == name])
            for name in dict.fromkeys(self.array_of.values())
        }  # fmt: skip
        self.pricing = Pricing(self.streams, self.design)
        emit_preparation(self.streams, self.workload.batch)
        for p, (g, o, r) in enumerate(zip(groups, operands, requests, strict=True)):
            if g.engine == "host":
                self._emit_host(p, g)
            else:
                self._emit(p, g, o, r)
        program = self.streams.program(
            f"{self.workload.name} on {self.design.name}", [g.name for g in groups], self._facts(),
            self.pricing.priced(),
        )  # fmt: skip
        program = govern(program, self.design)
        mapping = Mapping(
            self.workload, self.design, self.grouping, self.memory, self.plans, program
        )
        if self.design.dram.tier is DramTier.BURST:
            from cosim.mapping.dram_addresses import with_dram_service  # which reads mappings

            return with_dram_service(mapping)
        return mapping

    def _preparation_key(self) -> tuple[object, ...]:
        """All that `_prepare` looks at: what engines can do, and which channel carries what."""
        d = self.design
        arrays = tuple((a.name, a.serves, a.precisions, a.accumulator_bits) for a in d.arrays)
        vector = (d.vector.name, d.vector.precisions, d.vector.chained)
        channels = tuple((c.name, c.carries) for c in d.dma)
        held = tuple((b.name, b.holds) for b in d.buffers)
        place = (d.buffer("resident"), d.dram.capacity_bytes)
        given = d.mapping.layers
        return ("preparation", self.engines, arrays, vector, channels, held, place, given)

    def _prepare(self) -> _Preparation:
        groups = self.grouping.groups
        check_layers(self.design, [group.name for group in groups if group.array])
        operands = [self._operands(group) for group in groups]
        requests = [
            self._request(g, o, n) if n is not None else None
            for g, o, n in zip(groups, operands, self.nests, strict=True)
        ]
        finisher = [self._finisher(g, r) for g, r in zip(groups, requests, strict=True)]
        self.ordering = Ordering(finisher)
        fills = [
            self._order(p, g, o, r)
            for p, (g, o, r) in enumerate(zip(groups, operands, requests, strict=True))
        ]
        waits: list[dict[str, list[str]]] = [{} for _ in groups]
        for (p, key), pools in self.ordering.waits.items():
            waits[p][key] = pools
        return _Preparation(operands, requests, self.ordering, fills, waits, object())

    # Operands

    def _storage(self, tensor: Tensor) -> Storage:
        return self.memory.storages[tensor.storage]

    def _resident(self, tensor: Tensor) -> bool:
        return self._storage(tensor).resident

    def _operands(self, group: Group) -> _Operands:
        reads = [self.tensors[t] for t in group.reads]
        if group.anchor is None:
            return _Operands(None, None, [], [], reads)
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
        return _Operands(streaming, weight, bias, extra, [], frozenset(channels))

    def _request(self, group: Group, operands: _Operands, nest: Nest) -> TileRequest:
        assert group.anchor
        assert operands.streaming
        assert operands.weight
        assert group.precision
        anchor = self.tensors[group.anchor.outputs[0]]
        result = self.tensors[group.writes[-1]]
        work = [lane_operations(op, self.tensors) for op in group.epilogue]
        operations = max(work, default=0) if self.design.vector.chained else sum(work)
        stored = self._stored(result)
        unit = self._vector_precision(group)
        step = unit.cycles_per_step if unit else 1
        per_element = operations * step / anchor.elements
        converts = (
            result.bits != self.design.array_named(group.array).accumulator_bits
            or self._resident(result)
            or sums_integers(group.anchor, self.tensors)
        )
        if not per_element and (converts or operands.extra):
            per_element = 1.0 * step
        pool = [op for op in group.epilogue if op.kind is Kind.POOLING]
        windows = _window(nest, pool[0].attributes.get("kernel")) if pool else ()
        return TileRequest(
            nest, operands.streaming.bits, operands.weight.bits, result.bits,
            sum(t.bits for t in operands.extra if not self._resident(t)),
            not self._resident(operands.streaming), not self._resident(operands.weight), stored,
            sum(t.bytes for t in operands.bias if not self._resident(t)), per_element,
            group.precision.cycles_per_step, max(1, anchor.elements // max(1, result.elements)),
            windows,
            sum(work) / anchor.elements if self.design.vector.chained else 0.0,
            operands.streaming.zeros, result.zeros,
            sum(t.bytes for t in self._constants(operands, nest)),
            given_tiling(self.design, group.name),
        )  # fmt: skip

    def _constants(self, operands: _Operands, nest: Nest) -> list[Tensor]:
        """Operands from DRAM with an entry for every channel of the result, or several."""
        channels = nest.channels
        return [
            t
            for t in operands.bias
            if t.id in operands.of_channels and not self._resident(t) and not t.elements % channels
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

    def _stored(self, tensor: Tensor) -> bool:
        """Whether a group's result goes to DRAM: not resident, or outlives the run."""
        storage = self._storage(tensor)
        return not storage.resident or storage.survives

    def _finisher(self, group: Group, request: TileRequest | None) -> str:
        if group.engine == "host":
            return HOST
        if any(self._stored(self.tensors[t]) for t in group.writes):
            return self.store
        if request is not None and not request.vector_cycles:
            return group.array
        return self.design.vector.name

    # Order

    def _writers(self, group: Group, tensor: Tensor) -> list[str]:
        """Components that write a result: on chip as it is made, to DRAM as it is stored."""
        if group.engine == "host":
            return [HOST]
        on_chip = [self.design.vector.name] if self._resident(tensor) else []
        return on_chip + ([self.store] if self._stored(tensor) else [])

    def _reader(
        self, group: Group, operands: _Operands, tensor: Tensor, request: TileRequest | None
    ) -> tuple[str, str]:
        """Component that reads a tensor in a group, and the key of its first task that does."""
        if group.engine == "host":
            return HOST, HOST
        anchor = (operands.streaming, operands.weight)
        if self._resident(tensor):
            on_array = any(t is not None and t.id == tensor.id for t in anchor)
            on_array |= request is not None and not request.vector_cycles
            name = group.array if on_array else self.design.vector.name
            return name, name
        weight = operands.weight is not None and tensor.id == operands.weight.id
        kind = "weight" if weight or tensor in operands.bias else "input"
        lane = self.load[kind]
        return lane, f"{lane}/{kind}" if group.anchor is not None else lane

    def _order(
        self, p: int, group: Group, operands: _Operands, request: TileRequest | None
    ) -> list[Tensor]:
        """Enter the group's waits; returns resident tensors to be fetched first."""
        reads = [self.tensors[t] for t in group.reads]
        fills: dict[int, Tensor] = {}
        for tensor in reads:
            storage = self._storage(tensor)
            if storage.resident and storage.exists_before and min(storage.readers) == p:
                fills.setdefault(storage.id, tensor)
        # in the order of the stream: a token taken first must be the one given first
        for storage_id in fills:
            for on in sorted(self.reused.get(storage_id, set())):
                self.ordering.wait(p, self.load["input"], self.load["input"], on)
        keyed = [(*self._reader(group, operands, tensor, request), tensor) for tensor in reads]
        keyed += [(self.load["input"], self.load["input"], t) for t in self._told_to_load(group)]
        for component, key, tensor in sorted(keyed, key=lambda k: not k[1].endswith("/weight")):
            storage = self._storage(tensor)
            for writer in storage.writers:
                if writer < p:
                    self.ordering.wait(p, component, key, writer)
            if storage.resident and storage.exists_before and min(storage.readers) < p:
                self.ordering.wait(p, component, key, min(storage.readers))
        dependent = {self.position[d] for d in group.depends if d in self.position}
        for t in group.writes:
            storage = self._storage(self.tensors[t])
            before = dependent | {r for r in storage.readers + storage.writers if r < p}
            if min(storage.writers) == p:
                before |= self.reused.get(storage.id, set())
            for name in self._writers(group, self.tensors[t]):
                for on in sorted(before):
                    self.ordering.wait(p, name, name, on)
        return list(fills.values())

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
            if index in group.reads and self._resident(self.tensors[index])
            and not self._resident(self.tensors[table])
        ]  # fmt: skip

    # Emission

    def _emit_host(self, p: int, group: Group) -> None:
        self._check_host(group)
        waits, done = self._waits(p)
        emit_host(self.streams, self._vector_task(p, group, waits, {HOST: done}))

    def _waits(self, p: int) -> tuple[dict[str, Steps], Steps]:
        """Steps before first tasks of a group, by their keys, and after its last."""
        streams = self.streams
        waits = {
            key: tuple(acquire(streams.pool(pool), 1) for pool in pools)
            for key, pools in self.prepared.waits[p].items()
        }
        done = tuple(release(streams.pool(pool), 1) for pool in self.ordering.signals.get(p, ()))
        return waits, done

    def _emit(self, p: int, group: Group, operands: _Operands, request: TileRequest | None) -> None:
        """Price a group's draft, made now or for an earlier design."""
        streams, plan = self.streams, None
        cut: object
        if request is None:
            cut = self.room
        else:
            plan = self.found[group.array][request.signature]
            if plan is None:
                raise infeasible(self.design.seen_by(group.array), request, group.name)
            self.plans[p] = (request, plan)
            cut = (plan.shape, *self.staging)
        key = (self.prepared.token, p, streams.layout, cut)
        known = _drafted.get(key)
        if known is None:
            known = _drafted[key] = self._draft(p, group, operands, request, plan)
        else:
            streams.add_pools(known.pools)
        for draft in (known.opening, known.body):
            self.pricing.add(draft, p, group.name, known.task)

    def _draft(
        self, p: int, group: Group, operands: _Operands, request: TileRequest | None,
        plan: TilePlan | None,
    ) -> DraftedGroup[ArrayTask | VectorTask]:  # fmt: skip
        streams, fills = self.streams, self.prepared.fills[p]
        pools, opening = len(streams.pools), Drafting()
        waits, done = self._waits(p)
        signals = {self.ordering.finisher[p]: (*done, release(streams.pool_of["command queue"], 1))}
        self._hand_over(p, waits, signals)
        participants = self._participants(operands, request, group, fills)
        commands = [streams.pool(f"command {name}", cause=Cause.HOST) for name in participants]
        queue = (acquire(streams.pool_of["command queue"], 1),)
        command = Command(queue, tuple(release(pool, 1) for pool in commands))
        opening.append(HOST, (opening.slot(command),))
        for name, pool in zip(participants, commands, strict=True):
            waits[name] = (acquire(pool, 1), *waits.get(name, ()))
        for tensor in fills:
            self._fill(opening, group, operands, request, tensor, waits)
        task: ArrayTask | VectorTask
        if request is None:
            task = self._vector_task(p, group, waits, signals)
            whole = cut_of(task, self.design)
            if whole.updates is None:
                body = VectorLowering(streams, task, whole).draft()
            else:
                body = draft_scatter(streams, task, whole)
        else:
            assert plan
            task = self._array_task(p, group, operands, request, plan)
            seen = self.design.seen_by(group.array)
            body = ArrayLowering(streams, task, plan, waits, signals, seen).draft()
        return DraftedGroup(opening.finished(), body, task, tuple(streams.pools[pools:]))

    def _array_task(
        self, p: int, group: Group, operands: _Operands, request: TileRequest, plan: TilePlan
    ) -> ArrayTask:
        assert operands.streaming
        assert operands.weight
        assert group.precision
        once = [t for t in operands.bias if not self._resident(t)]
        constants = self._constants(operands, request.nest) if plan.cut_constants else []
        return ArrayTask(
            p, group.name, request, operands.streaming, operands.weight,
            self.tensors[group.writes[-1]],
            tuple(t for t in operands.extra if not self._resident(t)),
            tuple(t for t in once if t not in constants), tuple(constants),
            group.precision, self._vector_precision(group), group.array,
        )  # fmt: skip

    def _hand_over(self, p: int, waits: dict[str, Steps], signals: dict[str, Steps]) -> None:
        """Let array engines take turns in the order of the groups.

        They share buffers and what feeds and empties them: an engine that ran ahead could fill the
        accumulators while the vector unit waits for tiles of an earlier group.
        """
        own = self.array_of.get(p)
        if own is None:
            return
        order = list(self.array_of)
        place = order.index(p)
        for step, other in ((-1, order[place - 1]), (1, order[(place + 1) % len(order)])):
            if not 0 <= place + step < len(order) or self.array_of[other] == own:
                continue
            before, after = (self.array_of[other], own) if step < 0 else (own, self.array_of[other])
            pool = self.streams.pool(f"turn {before} > {after}")
            if step < 0:
                waits[own] = (*waits.get(own, ()), acquire(pool, 1))
            else:
                signals[own] = (*signals.get(own, ()), release(pool, 1))

    def _check_host(self, group: Group) -> None:
        if self.design.host.operations_per_s <= 0:
            raise CosimError(
                f"operation '{group.ops[0].name}' of '{group.name}' cannot be mapped: "
                f"{group.reason}, and the host runs no operations",
                where=f"design '{self.design.name}'",
                expected="an engine with that precision, or host.operations above zero",
            )

    def _participants(
        self, operands: _Operands, request: TileRequest | None, group: Group, fills: list[Tensor]
    ) -> list[str]:
        names: list[str] = []
        if request is None:
            if fills or any(not self._resident(t) for t in operands.others):
                names.append(self.load["input"])
            return [*names, self.design.vector.name]
        if fills or request.load_streaming or request.extra_bits:
            names.append(self.load["input"])
        if request.load_weight or request.bias_bytes:
            names.append(self.load["weight"])
        return [*dict.fromkeys(names), group.array]

    def _fill(
        self, opening: Drafting, group: Group, operands: _Operands, request: TileRequest | None,
        tensor: Tensor, waits: dict[str, Steps],
    ) -> None:  # fmt: skip
        """Fetch a resident tensor before the group that reads it first."""
        streams, lane = self.streams, self.load["input"]
        component, _ = self._reader(group, operands, tensor, request)
        pool = streams.pool(f"resident loaded > {component}", cause=Cause.INPUT)
        storage = self._storage(tensor)
        move = Move(
            lane, "input", storage.role, storage.bytes, 1, (8, 0.0), "resident",
            waits.pop(lane, ()), (release(pool, 1),),
        )  # fmt: skip
        opening.append(lane, (opening.slot(move),))
        waits[component] = (*waits.get(component, ()), acquire(pool, 1))

    def _vector_task(
        self, p: int, group: Group, waits: dict[str, Steps],
        signals: dict[str, Steps],
    ) -> VectorTask:  # fmt: skip
        return self._vector_facts(p, group).placed(waits, signals)

    def _vector_facts(self, p: int, group: Group) -> VectorTask:
        if p not in self.vector_tasks:
            self.vector_tasks[p] = self._new_vector_task(p, group)
        return self.vector_tasks[p]

    def _new_vector_task(self, p: int, group: Group) -> VectorTask:
        count = host_operations if group.engine == "host" else lane_operations
        reads = [self.tensors[t] for t in group.reads]
        writes = [self.tensors[t] for t in group.writes]
        return VectorTask(
            p, group.name, sum(count(op, self.tensors) for op in group.ops),
            tuple(t for t in reads if not self._resident(t)),
            tuple(t for t in reads if self._resident(t)),
            tuple(t for t in writes if self._stored(t)),
            tuple(t for t in writes if not self._stored(t)),
            group.precision, {}, {},
            sum(op.macs for op in group.ops) if group.engine == "host" else 0,
            tuple(group.ops), self.tensors,
        )  # fmt: skip

    def _search(self, array: str, requests: list[TileRequest]) -> dict[Signature, TilePlan | None]:
        """Tilings of all contractions of an engine, those not known yet found together."""
        d = self.design.seen_by(array)
        key = (d.array, d.vector, d.buffers, d.dma, d.dram, d.clocks, d.mapping)
        known = _plans.get(key)
        if known is None:
            known = _plans[key] = {}
        new = {r.signature: r for r in requests if r.signature not in known}
        if new:
            known.update(zip(new, search_all(d, list(new.values())), strict=True))
        return known

    def _facts(self) -> dict[str, object]:
        groups = self.grouping.groups
        return {
            "memory": self.memory_facts,
            "macs": self.workload.macs
            - sum(self.workload.ops[i].macs for i in self.grouping.offline),
            "phases": [g.phase.value for g in groups],
            "engines": [g.engine for g in groups],
            "arrays": [g.array for g in groups],
            "fallbacks": {g.name: g.reason for g in groups if g.engine == "host"},
            "assumptions": list(self.design.assumptions),
        }


def _window(nest: Nest, kernel: object) -> tuple[tuple[str, int], ...]:
    """Loops whose tiles must hold whole pooling windows."""
    sizes = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)  # type: ignore[arg-type]
    loops = [d.loop for d in nest.result.dimensions[-len(sizes) :]]
    return tuple(zip(loops, (int(s) for s in sizes), strict=True))
