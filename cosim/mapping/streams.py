"""Building a program's streams: pools and components of a design, templates shared by equal tasks.

The accelerator is a set of decoupled components joined by counted tokens, as in decoupled
access-execute machines:

* the *host* issues one command a group into a bounded queue;
* *load* channels fetch operand tiles as soon as their buffer has room, across group boundaries;
* the *array* computes a tile when its operands are there and accumulator space is free;
* the *vector* unit applies the epilogue and moves the tile into the output buffer;
* *store* channels write it to DRAM.

A group that needs another group's result waits for a token that the group's last task gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from cosim.design.design import Buffer, Design, DmaChannel, DramTier
from cosim.errors import CosimError
from cosim.mapping.core_steps import Core, Entered, Part, core
from cosim.mapping.drafts import no_pools
from cosim.mapping.energy import Energy, power_mw
from cosim.mapping.program import (
    Component,
    Pool,
    PoolPhase,
    Program,
    Step,
    StepKind,
    TaskInfo,
    Template,
)  # fmt: skip
from cosim.mapping.task_stream import (
    KIND,
    VALUE,
    Integers,
    Loop,
    Node,
    Row,
    TaskStream,
    on_lanes,
    rows_of,
)  # fmt: skip
from cosim.mapping.template_columns import TemplateColumns, Templates, interleaved
from cosim.mapping.transfer import channel_for
from cosim.memo import Memo, Signature, canonical
from cosim.timeline.causes import Cause
from cosim.timeline.loop_tree import merge_loops

ACQUIRE, HOLD, RELEASE, MARK, SERVE = StepKind
_ACQUIRE, _HOLD, _RELEASE, _MARK = int(ACQUIRE), int(HOLD), int(RELEASE), int(MARK)
HOST = "host"


def acquire(pool: int, amount: int, priority: int = 0) -> Step:
    return (_ACQUIRE, pool, amount, priority)


def release(pool: int, amount: int) -> Step:
    return (_RELEASE, pool, amount, 0)


_NO_ROWS = np.zeros((5, 0), np.int64)

_laid_down: Memo[tuple[int, ...], tuple[list[Integers], list[TaskStream]]] = Memo(
    "streams of programs", 16
)


class Streams:
    """Pools, lanes, templates and the stream of every component while a program is built."""

    def __init__(self, design: Design, components: Mapping[str, str] | None = None) -> None:
        self.design = design
        self.kinds = component_names(design) if components is None else dict(components)
        """Names of the components in rank order, with their kinds."""
        self.pools: list[Pool] = []
        self.pool_of: dict[str, int] = {}
        self.layout = no_pools()
        self._buffer_of: dict[str, int] = {}
        self.count = 0
        """Templates so far, those of drafts included."""
        self.templates: dict[int, Template] = {}
        """Those that were made one by one, by their numbers."""
        self._interned: dict[tuple[tuple[Step, ...], int], int] = {}
        self.clocks = {c.name: i + 1 for i, c in enumerate(design.clocks)}
        carried = {traffic for channel in design.dma for traffic in channel.carries}
        self.load = {
            name: channel_for(design, name)
            for name in ("input", "weight")
            if name in carried or components is None
        }
        self.store = channel_for(design, "output")
        self.names = list(self.kinds)
        self._rows: list[Integers] = []
        self._firsts: list[int] = []
        """What components do, as it came, and the first template of each."""
        self.lanes = {name: i for i, name in enumerate(self.names)}
        self.exclusive = _lanes_of(design, design.exclusive)
        # pools that every array engine asks of
        several = len(design.arrays) > 1
        self.array_phase = PoolPhase.BUFFER if several else PoolPhase.IMMEDIATE
        self._machine_pools()
        self.machine_layout = self.layout
        power = self.pool_of.get("power")
        self.headroom = None if power is None else self.pools[power].initial
        """Milliwatts of the power budget above static power; None where there is none."""

    def _machine_pools(self) -> None:
        design = self.design
        for buffer in design.buffers:
            staged = [h for h in buffer.holds if h != "resident"]
            if staged:
                # Input and weight channels may share a memory: then two components request it.
                phase = PoolPhase.BUFFER if len(staged) > 1 else PoolPhase.IMMEDIATE
                if "accumulator" in staged:
                    phase = max(phase, self.array_phase)
                cause = (
                    Cause.OUTPUT_SPACE
                    if staged[0] in ("output", "accumulator")
                    else Cause.INPUT_SPACE
                )
                self.pool(
                    f"buffer {buffer.name}", buffer.size_bytes, phase, cause, "buffer",
                    buffer.size_bytes,
                )  # fmt: skip
            if "accumulator" in staged:
                self.pool(
                    sums_pool(buffer), buffer.size_bytes, self.array_phase, Cause.OUTPUT_SPACE,
                    "buffer", buffer.size_bytes,
                )  # fmt: skip
        self.by_bursts = design.dram.tier is DramTier.BURST
        if not self.by_bursts:
            self.pool("dram", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1)
        self.pool(
            "command queue", design.host.queue_depth, PoolPhase.IMMEDIATE, Cause.HOST, "queue",
            design.host.queue_depth,
        )  # fmt: skip
        for name in {c.name for c in design.dma if _both_ways(c)}:
            self.pool(f"port {name}", 1, PoolPhase.BUFFER, Cause.BANDWIDTH, "channel", 1)
        if design.exclusive:
            self.pool("control", 1, PoolPhase.BUFFER, Cause.DEPENDENCY, "token", 1)
        if design.power.budget_mw is not None:
            headroom = int(design.power.budget_mw - design.static_mw)
            self.pool("power", headroom, PoolPhase.POWER, Cause.POWER, "power", headroom)

    def pool(
        self, name: str, initial: int = 0, phase: PoolPhase = PoolPhase.IMMEDIATE,
        cause: Cause = Cause.DEPENDENCY, kind: str = "token", capacity: int | None = None,
        advice: str = "",
    ) -> int:  # fmt: skip
        """Index of the pool called `name`, made with these properties if new."""
        index = self.pool_of.get(name)
        if index is None:
            index = self._add_pool(Pool(name, initial, phase, cause, kind, capacity, advice))
        return index

    def _add_pool(self, pool: Pool) -> int:
        index = self.pool_of[pool.name] = len(self.pools)
        self.pools.append(pool)
        self.layout = self.layout.then(pool.name)
        return index

    def add_pools(self, pools: Iterable[Pool]) -> None:
        """Make pools as they were made before in this layout."""
        for pool in pools:
            self._add_pool(pool)

    def buffer(self, holds: str) -> int:
        """Pool of the buffer that holds ``input``, ``weight``, ``accumulator`` or ``output``."""
        found = self._buffer_of.get(holds)
        if found is None:
            found = self._buffer_of[holds] = self._find_buffer(holds)
        return found

    def _find_buffer(self, holds: str) -> int:
        buffer = self.design.buffer(holds)
        if buffer is None:
            raise CosimError(
                f"no buffer holds '{holds}'", where=f"design '{self.design.name}'",
                expected="buffers that hold input, weight, accumulator and output",
            )  # fmt: skip
        sums = holds == "accumulator"
        return self.pool_of[sums_pool(buffer) if sums else f"buffer {buffer.name}"]

    def template(self, steps: Iterable[Step], info: TaskInfo) -> int:
        """Id of the template with these steps and meaning.

        Callers share `info` between tasks that mean the same, so identity tells them apart.
        """
        steps = tuple(steps)
        key = (steps, id(info))
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = self.count
            self.templates[found] = Template(steps, info)
            self.count += 1
        return found

    def power(self, energy: Energy, duration_ps: int, name: str) -> int:
        """Milliwatts a task asks of the budget; 0 when there is none.

        Raises
        ------
        CosimError
            When the budget could never admit the task.
        """
        if self.headroom is None:
            return 0
        need = power_mw(energy, duration_ps)
        if need > self.headroom:
            raise self.beyond_budget(need, name)
        return need

    def beyond_budget(self, need: int, name: str) -> CosimError:
        """The error of a task that draws more than the power budget leaves."""
        power, design = self.design.power, self.design
        return CosimError(
            f"a task of '{name}' draws {need} mW, and of the power budget of {power.budget_mw:g} "
            f"mW {self.headroom} mW remain above static power: it could never run",
            where=f"design '{design.name}', power.budget",
            expected=f"a budget of at least {design.static_mw + need:g} mW, "
            "a slower clock or a smaller array",
        )

    def busy(
        self, cycles: int, clock: str, lane: str, before: Iterable[Step], after: Iterable[Step],
        power: int = 0,
    ) -> tuple[Step, ...]:  # fmt: skip
        """Steps of a task that holds its component for `cycles` under the power budget."""
        return (*before, *self.engine_core(lane, clock).filled(cycles, power), *after)

    def engine_core(self, lane: str, clock: str) -> Core:
        """What a task of an engine does between the waits before it and the tokens after it."""
        begin, end = self._turn(lane)
        return core(*begin, *self._held(lane, self.clocks[clock] if clock else 0, 0), *end)

    def _turn(self, lane: str) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """Steps that take and give back the sequential control, for a component under it.

        It is taken when all else is there, so that whoever has it never waits for another turn;
        what comes later on a tile's way goes first.
        """
        if lane not in self.exclusive:
            return (), ()
        control = self.pool_of["control"]
        turn = len(self.names) - self.lanes[lane]
        return (acquire(control, 1, turn),), (release(control, 1),)

    def _held(self, lane: str, clock: int, priority: int) -> list[Entered]:
        """The component's own time, under the power budget if there is one."""
        hold = ((_HOLD, 0, clock, 0), Part.HOLD)
        steps: list[Entered] = [hold, ((_MARK, self.lanes[lane], 0, 0), Part.NOTHING)]
        power = self.pool_of.get("power")
        if power is None:
            return steps
        return [
            (acquire(power, 0, priority), Part.POWER), *steps, (release(power, 0), Part.POWER)
        ]  # fmt: skip

    def command_core(self) -> Core:
        """What the host does for a command."""
        return core(((_HOLD, 0, 0, 0), Part.HOLD), (_MARK, self.lanes[HOST], 0, 0))

    def descriptor_core(self, channel: DmaChannel, lane: str, priority: int) -> Core:
        """Steps of a descriptor: DRAM service, then the rest of the channel's own time."""
        begin, end = self._turn(lane)
        held = self._held(lane, 0, priority)
        if self.by_bursts:  # requests come at the pace of the port, so nothing is left for a tail
            serve: Entered = ((int(SERVE), 0, 0, 0), Part.NOTHING)
            served = [serve if part == Part.HOLD else (step, part) for step, part in held]
        else:
            dram = self.pool_of["dram"]
            tail: Entered = ((_HOLD, 0, 0, 0), Part.TAIL)
            mark: Entered = ((_MARK, self.lanes[lane], 0, 0), Part.TAIL_MARK)
            taken: Entered = (acquire(dram, 1, priority), Part.NOTHING)
            served = [taken, *held, (release(dram, 1), Part.NOTHING), tail, mark]
        port = self.pool_of.get(f"port {channel.name}")
        if port is None:
            return core(*begin, *served, *end)
        return core(*begin, acquire(port, 1, priority), *served, release(port, 1), *end)

    @cached_property
    def structure(self) -> Signature:
        """All that decides which steps a task has; equal for machines of the same structure."""
        design = self.design
        engines = (*design.arrays, design.vector)
        return canonical(Signature((
            self.machine_layout, tuple(self.names), self.exclusive, self.by_bursts,
            tuple((engine.name, self.clocks[engine.clock]) for engine in engines),
            tuple((channel.name, channel.carries) for channel in design.dma),
        )))  # fmt: skip

    def do(self, lane: str, nodes: Sequence[Node]) -> None:
        """Let a component do these next."""
        if nodes:
            self._rows.append(on_lanes([(self.lanes[lane], merge_loops(tuple(nodes)))]))
            self._firsts.append(0)

    def reserve(self, slots: int) -> int:
        """Let components do what was drafted next; its slots become templates in their order.

        A number for `lay_down`, which says what they do.
        """
        self._rows.append(_NO_ROWS)
        self._firsts.append(self.count)
        self.count += slots
        return len(self._rows) - 1

    def lay_down(self, number: int, rows: Integers) -> None:
        """What components do in a reserved place.

        Parameters
        ----------
        rows : int64 array, shape (5, n_rows)
            The rank of the component, then as in a `TaskStream`, with slots for templates.
        """
        self._rows[number] = rows

    def _streams(self) -> list[TaskStream]:
        """What every component does; the same objects where nothing is laid down anew."""
        # the rows stay theirs as long as what is remembered has them
        key = (len(self.names), *map(id, self._rows), *self._firsts)
        known = _laid_down.get(key)
        if known is None:
            known = _laid_down[key] = (self._rows, self._new_streams())
        return known[1]

    def _new_streams(self) -> list[TaskStream]:
        if not self._rows:
            return [TaskStream(rows_of(())) for _ in self.names]
        sizes = [rows.shape[1] for rows in self._rows]
        rank, *rows = np.concatenate(self._rows, axis=1)
        rows[VALUE][:] += np.where(rows[KIND] == Row.TASK, np.repeat(self._firsts, sizes), 0)
        order = np.argsort(rank, kind="stable")
        ordered = np.stack(rows)[:, order]
        bounds = np.searchsorted(rank[order], np.arange(len(self.names) + 1)).tolist()
        return [TaskStream(ordered[:, begin:end]) for begin, end in pairwise(bounds)]

    def program(
        self, name: str, layers: list[str], facts: dict[str, object],
        drafted: TemplateColumns | None = None,
    ) -> Program:  # fmt: skip
        """The finished program; components without tasks are left out of no index: all stay.

        Parameters
        ----------
        drafted : TemplateColumns, optional
            Templates of the drafts' slots.
        """
        templates: Sequence[Template] = tuple(self.templates.values())
        if drafted is not None:
            templates = Templates(interleaved(drafted, self.templates))
        return Program(
            name,
            (1, *(clock.period_ps for clock in self.design.clocks)),
            ("ps", *(clock.name for clock in self.design.clocks)),
            tuple(self.pools),
            tuple(map(Component, self.names, self.kinds.values(), self._streams())),
            templates,
            tuple(self.names),
            tuple(layers),
            self.design.static_mw,
            facts=facts,
        )


def sums_pool(buffer: Buffer) -> str:
    """Name of the pool of partial sums in a buffer.

    Where operands lie in the same memory, sums have a pool of their own: a plan gives each its
    part, and operands that are fetched ahead must not take the place of the sums they are for.
    """
    together = "input" in buffer.holds or "weight" in buffer.holds
    return f"buffer {buffer.name} sums" if together else f"buffer {buffer.name}"


def repeat(count: int, body: tuple[Node, ...]) -> tuple[Node, ...]:
    """`body` `count` times as a stream, without a loop where one is not needed."""
    if count == 0:
        return ()
    if count == 1 or not body:
        return body
    if len(body) == 1 and isinstance(body[0], Loop):
        return (Loop(count * body[0].count, body[0].body),)
    return (Loop(count, body),)


def _both_ways(channel: DmaChannel) -> bool:
    return "output" in channel.carries and len(channel.carries) > 1


def load_lane(channel: DmaChannel) -> str:
    return f"{channel.name} load" if _both_ways(channel) else channel.name


def store_lane(channel: DmaChannel) -> str:
    return f"{channel.name} store" if _both_ways(channel) else channel.name


def _lanes_of(design: Design, names: Sequence[str]) -> frozenset[str]:
    """Components that are these engines or belong to these channels."""
    if not names:
        return frozenset()
    channels = [channel for channel in design.dma if channel.name in names]
    lanes = {lane for c in channels for lane in (load_lane(c), store_lane(c))}
    return frozenset(lanes.union(name for name in names if name not in {c.name for c in channels}))


def component_names(design: Design) -> dict[str, str]:
    """Names of the components a design becomes, in rank order, with their kinds."""
    names = {HOST: "host"}
    for carries in ("input", "weight"):
        names[load_lane(channel_for(design, carries))] = "dma"
    names |= {array.name: "engine" for array in design.arrays}
    names[design.vector.name] = "vector"
    names[store_lane(channel_for(design, "output"))] = "dma"
    return names
