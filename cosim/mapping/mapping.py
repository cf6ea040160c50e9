"""Mapping: how a workload runs on a design.

::

    operations --fusion--> groups --residency--> places --tiling--> plans --lowering--> program

`map_workload` is the whole of it. The result keeps, beside the program, the groups, places and
plans that explain it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from sys import maxsize

from cosim.design.design import Design, DramTier
from cosim.errors import CosimError
from cosim.mapping.drafts import Command, DraftedGroup, Drafting, Move, Steps
from cosim.mapping.fusion import Group, Grouping
from cosim.mapping.given import check_given
from cosim.mapping.governing import govern
from cosim.mapping.host_tasks import emit_host, emit_preparation
from cosim.mapping.known import known_of, remember
from cosim.mapping.lower_array import ArrayLowering, ArrayTask
from cosim.mapping.lower_scatter import draft_scatter
from cosim.mapping.lower_vector import VectorTask, draft_pieces, room_of, uncut
from cosim.mapping.placing import placing_of
from cosim.mapping.preparation import Contractions, Fill, preparation_of
from cosim.mapping.pricing import Pricing
from cosim.mapping.program import Program
from cosim.mapping.rescale import MACHINE_FIXED_POINT
from cosim.mapping.residency import MemoryMap
from cosim.mapping.streams import HOST, Streams, acquire, load_lane, release
from cosim.mapping.tiling import TilePlan, TileRequest, infeasible, search_all
from cosim.memo import Memo, Signature
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor, Workload

_plans: Memo[tuple[object, ...], dict[Signature, TilePlan | None]] = Memo("tilings", 256)
"""Tilings found in this process, by contractions and machine; None where none fits."""

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


LAST_MAPPINGS = 4
"""Mappings of a workload that are kept whole: one looks at the same design again."""

_NO_WORKLOAD = Workload("", (), ())


def map_workload(workload: Workload, design: Design) -> Mapping:
    """Map `workload` onto `design`.

    Raises
    ------
    CosimError
        An operation that nothing can run, a tile that fits no buffer, tensors that exceed the
        DRAM, a power budget that could never admit a task.
    """
    last: list[Mapping] = remember(known_of(workload), "mappings", list[Mapping])
    held = _in_lanes(_in_fixed_point(workload, design.fixed_point_bits), design.element_bits)
    for made in last:
        if made.design == design:
            return replace(made, workload=held, design=design)
    mapping = _Mapper(held, design).run()
    if len(last) >= LAST_MAPPINGS:
        del last[0]
    # without the workload: what is remembered of it must not keep it alive
    last.append(replace(mapping, workload=_NO_WORKLOAD))
    return mapping


def _in_fixed_point(workload: Workload, bits: int | None) -> Workload:
    """`workload` with integers for its real numbers; the same object every time."""
    if bits is None:
        return workload

    def held(tensor: Tensor) -> Tensor:
        if tensor.scheme or not tensor.dtype.startswith(("float", "bfloat")):
            return tensor
        return replace(tensor, bits=bits, scheme=MACHINE_FIXED_POINT)

    return remember(
        known_of(workload), ("fixed point", bits),
        lambda: replace(workload, tensors=tuple(held(tensor) for tensor in workload.tensors)),
    )  # fmt: skip


def _in_lanes(workload: Workload, bits: int) -> Workload:
    """`workload` with elements as wide as they are stored; the same object every time."""
    known = known_of(workload)
    narrowest = remember(
        known, "narrowest", lambda: min((t.bits for t in workload.tensors), default=maxsize)
    )
    if narrowest >= bits:
        return workload
    return remember(
        known, ("lanes", bits),
        lambda: replace(
            workload, tensors=tuple(replace(t, bits=max(t.bits, bits)) for t in workload.tensors)
        ),
    )  # fmt: skip


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
        self.room = room_of(design)
        self.placing = placing_of(workload, design, self.room)
        self.cuts = self.placing.cuts(self.room)
        self.streams = Streams(design)
        self.plans: dict[int, tuple[TileRequest, TilePlan]] = {}

    def run(self) -> Mapping:
        groups = self.placing.grouping.groups
        self.prepared = preparation_of(self.placing, self.design)
        self.token = self.prepared.token(self.design)
        requests = self.prepared.requests
        for group, request, given in self.prepared.given:
            check_given(
                given, request.nest, request.multiples, self.design.array_named(group.array),
                group.name,
            )  # fmt: skip
        self.found = {
            name: self._search(name, asked) for name, asked in self.prepared.contractions.items()
        }  # fmt: skip
        self.pricing = Pricing(self.streams, self.design)
        emit_preparation(self.streams, self.workload.batch)
        for p, (g, r) in enumerate(zip(groups, requests, strict=True)):
            if g.engine == "host":
                self._emit_host(p, g)
            else:
                self._emit(p, g, r)
        program = self.streams.program(
            f"{self.workload.name} on {self.design.name}", self.placing.names,
            {**self.placing.facts, "assumptions": list(self.design.assumptions)},
            self.pricing.priced(),
        )  # fmt: skip
        program = govern(program, self.design)
        mapping = Mapping(
            self.workload, self.design, self.placing.grouping, self.placing.memory, self.plans,
            program,
        )  # fmt: skip
        if self.design.dram.tier is DramTier.BURST:
            from cosim.mapping.dram_addresses import with_dram_service  # which reads mappings

            return with_dram_service(mapping)
        return mapping

    # Emission

    def _emit_host(self, p: int, group: Group) -> None:
        self._check_host(group)
        waits, done = self._waits(p)
        emit_host(self.streams, self.placing.vector_task(p), waits.get(HOST, ()), done)

    def _waits(self, p: int) -> tuple[dict[str, Steps], Steps]:
        """Steps before first tasks of a group, by their keys, and after its last."""
        streams = self.streams
        waits = {
            key: tuple(acquire(streams.pool(pool), 1) for pool in pools)
            for key, pools in self.prepared.waits[p].items()
        }
        done = tuple(release(streams.pool(pool), 1) for pool in self.prepared.signals[p])
        return waits, done

    def _emit(self, p: int, group: Group, request: TileRequest | None) -> None:
        """Price a group's draft, made now or for an earlier design."""
        streams, plan = self.streams, None
        cut: object
        if request is None:
            pieces = self.cuts[p]
            if pieces is None:
                raise uncut(self.placing.vector_task(p), self.room)
            cut = pieces.signature
        else:
            plan = self.found[group.array][request.signature]
            if plan is None:
                raise infeasible(self.design.seen_by(group.array), request, group.name)
            self.plans[p] = (request, plan)
            cut = plan.shape
        key = (self.token, p, streams.layout, cut)
        known = _drafted.get(key)
        if known is None:
            known = _drafted[key] = self._draft(p, group, plan)
        else:
            streams.add_pools(known.pools)
        self.pricing.add(known.draft, p, group.name, known.task)

    def _draft(
        self, p: int, group: Group, plan: TilePlan | None
    ) -> DraftedGroup[ArrayTask | VectorTask]:
        """A group's tasks; `plan` is how it is cut on the array, if it is there."""
        streams, prepared = self.streams, self.prepared
        pools, drafting = len(streams.pools), Drafting()
        waits, done = self._waits(p)
        queue = streams.pool_of["command queue"]
        signals = {prepared.finisher[p]: (*done, release(queue, 1))}
        self._take_turns(p, group, waits, signals)
        participants = prepared.participants[p]
        commands = [streams.pool(f"command {name}", cause=Cause.HOST) for name in participants]
        given = tuple([release(pool, 1) for pool in commands])
        drafting.append(HOST, (drafting.slot(Command((acquire(queue, 1),), given)),))
        for name, pool in zip(participants, commands, strict=True):
            waits[name] = (acquire(pool, 1), *waits.get(name, ()))
        for fill in prepared.fills[p]:
            self._fill(drafting, fill, waits)
        tasks = prepared.array_tasks[p]
        task: ArrayTask | VectorTask
        if tasks is None:
            task, cut = self.placing.vector_task(p), self.cuts[p]
            assert cut
            lower = draft_pieces if cut.updates is None else draft_scatter
            draft = lower(streams, task, cut, waits, signals, drafting)
        else:
            assert plan
            task = tasks[plan.cut_constants]
            seen = self.design.seen_by(group.array)
            draft = ArrayLowering(streams, task, plan, waits, signals, seen, drafting).draft()
        return DraftedGroup(draft, task, tuple(streams.pools[pools:]))

    def _take_turns(
        self, p: int, group: Group, waits: dict[str, Steps], signals: dict[str, Steps]
    ) -> None:
        """Wait for the array engine before and let the one after go on, see `Preparation.turns`."""
        before, after = self.prepared.turns[p]
        if before:
            turn = acquire(self.streams.pool(before), 1)
            waits[group.array] = (*waits.get(group.array, ()), turn)
        if after:
            turn = release(self.streams.pool(after), 1)
            signals[group.array] = (*signals.get(group.array, ()), turn)

    def _check_host(self, group: Group) -> None:
        if self.design.host.operations_per_s <= 0:
            raise CosimError(
                f"operation '{group.ops[0].name}' of '{group.name}' cannot be mapped: "
                f"{group.reason}, and the host runs no operations",
                where=f"design '{self.design.name}'",
                expected="an engine with that precision, or host.operations above zero",
            )

    def _fill(self, drafting: Drafting, fill: Fill, waits: dict[str, Steps]) -> None:
        """Fetch a resident tensor before the group that reads it first."""
        streams, lane = self.streams, load_lane(self.streams.load["input"])
        pool = streams.pool(f"resident loaded > {fill.reader}", cause=Cause.INPUT)
        move = Move(
            lane, "input", fill.role, fill.bytes, 1, (8, 0.0), "resident", waits.pop(lane, ()),
            (release(pool, 1),),
        )  # fmt: skip
        drafting.append(lane, (drafting.slot(move),))
        waits[fill.reader] = (*waits.get(fill.reader, ()), acquire(pool, 1))

    def _search(self, array: str, asked: Contractions) -> dict[Signature, TilePlan | None]:
        """Tilings of all contractions of an engine, found together."""
        d = self.design.seen_by(array)
        key = (asked.key, d.array, d.vector, d.buffers, d.dma, d.dram, d.clocks, d.mapping)
        known = _plans.get(key)
        if known is None:
            plans = search_all(d, list(asked.requests.values()))
            known = _plans[key] = dict(zip(asked.requests, plans, strict=True))
        return known
