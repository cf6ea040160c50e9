"""Random machines and programs that cannot get stuck, for laws and for equality of executors.

A random program is a set of pipelines. Every pipeline is a chain of components; neighbours hand
tokens down (as many as the consumer takes) and credits up. Some steps also ask for shared,
arbitrated pools (channels, power), always in the same global order, so that no cycle of waits
arises. Background components take the shared pools now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from cosim.mapping.program import (
    Component,
    Pool,
    PoolPhase,
    Program,
    Step,
    StepKind,
    TaskInfo,
    Template,
)
from cosim.mapping.task_stream import Loop
from cosim.timeline.causes import Cause

ACQUIRE, HOLD, RELEASE, MARK, SERVE = (int(kind) for kind in StepKind)
CLOCKS = (1, 1000, 1500, 4000)
CYCLES = st.one_of(st.integers(0, 4), st.sampled_from([1, 5, 7, 10, 50, 200]))


@dataclass
class _Builder:
    pools: list[Pool] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)

    def pool(self, *arguments: object) -> int:
        self.pools.append(Pool(f"pool {len(self.pools)}", *arguments))  # type: ignore[arg-type]
        return len(self.pools) - 1

    def template(self, steps: list[Step], activity: str) -> int:
        self.templates.append(Template(tuple(steps), TaskInfo(len(self.templates) % 3, activity)))
        return len(self.templates) - 1


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    max_tasks: int = 150,
    max_iterations: int = 12,
    background: bool = True,
    bounded: bool = True,
) -> Program:
    """A program that runs to its end.

    Parameters
    ----------
    max_tasks : int
        Largest number of tasks of a component.
    max_iterations : int
        Largest count of a loop.
    background : bool
        Whether background components may occur.
    bounded : bool
        Whether pools state their capacity.
    """
    build = _Builder()
    for _ in range(draw(st.integers(0, 3))):
        phase = draw(st.sampled_from([PoolPhase.BUFFER, PoolPhase.DRAM, PoolPhase.POWER]))
        level = draw(st.integers(1, 6))
        cause = draw(st.sampled_from([Cause.DRAM_BUSY, Cause.POWER, Cause.BANDWIDTH]))
        build.shared.append(build.pool(level, phase, cause, "channel", level if bounded else None))
    for _ in range(draw(st.integers(1, 2))):
        _pipeline(draw, build, max_tasks, max_iterations, bounded)
    if background:
        for _ in range(draw(st.integers(0, 2))):
            _background(draw, build)
    order = draw(st.permutations(range(len(build.components))))
    return Program(
        name="random",
        clock_periods_ps=CLOCKS,
        clock_names=("ps", "a", "b", "c"),
        pools=tuple(build.pools),
        components=tuple(build.components[place] for place in order),
        templates=tuple(build.templates),
        lanes=("one", "two"),
        layers=("first", "second", "third"),
    )


Shape = tuple["int | tuple[int, Shape]", ...]
"""A loop tree over kinds of iterations, which all components of a pipeline share."""


def _pipeline(
    draw: st.DrawFn, build: _Builder, max_tasks: int, max_iterations: int, bounded: bool
) -> None:
    length = draw(st.integers(1, 4))
    kinds = draw(st.integers(1, 3))
    layers = draw(st.sampled_from([1, 1, 2, 5]))
    shape = _shape(draw, kinds, max_tasks // layers, max_iterations, draw(st.integers(0, 2)))
    handed = [draw(st.integers(1, 3)) for _ in range(kinds)]
    links = []
    for _ in range(length - 1):
        depth = max(handed) + draw(st.integers(0, 4))
        phase = draw(st.sampled_from([PoolPhase.IMMEDIATE, PoolPhase.BUFFER]))
        bound = depth if bounded else None
        full = build.pool(0, phase, Cause.INPUT, "token", bound)
        links.append((full, build.pool(depth, phase, Cause.INPUT_SPACE, "buffer", bound)))
    for place in range(length):
        before = links[place - 1] if place else None
        after = links[place] if place < length - 1 else None
        steps = [_steps(draw, build, before, after, amount) for amount in handed]
        stream: tuple[int | Loop, ...] = ()
        for _ in range(layers):  # the same steps under other names
            ids = [build.template(list(kind), f"work {place}") for kind in steps]
            stream += _tree(shape, ids)
        build.components.append(Component(f"c{len(build.components)}", "engine", stream))


def _shape(draw: st.DrawFn, kinds: int, max_tasks: int, max_iterations: int, depth: int) -> Shape:
    nodes: list[int | tuple[int, Shape]] = []
    copies = draw(st.integers(1, 3)) if draw(st.booleans()) else 1
    length = draw(st.integers(1, 3))
    room = max(1, max_tasks // (length * copies))
    for _ in range(length):
        count = draw(st.integers(1, min(max_iterations, room)))
        if depth and draw(st.booleans()):
            nodes.append((count, _shape(draw, kinds, room // count, max_iterations, depth - 1)))
        else:
            nodes.append((count, (draw(st.integers(0, kinds - 1)),)))
    return tuple(nodes) * copies


def _tree(shape: Shape, ids: list[int]) -> tuple[int | Loop, ...]:
    return tuple(
        ids[node] if isinstance(node, int) else Loop(node[0], _tree(node[1], ids)) for node in shape
    )


def _steps(
    draw: st.DrawFn,
    build: _Builder,
    before: tuple[int, int] | None,
    after: tuple[int, int] | None,
    amount: int,
) -> list[Step]:
    steps: list[Step] = []
    taken: list[tuple[int, int]] = []
    if before:
        steps.append((ACQUIRE, before[0], amount, 0))
    if after:
        steps.append((ACQUIRE, after[1], amount, 0))
    for pool in build.shared:
        if draw(st.booleans()):
            tokens = draw(st.integers(0, build.pools[pool].initial))
            steps.append((ACQUIRE, pool, tokens, draw(st.integers(0, 2))))
            taken.append((pool, tokens))
    clock = draw(st.integers(0, len(CLOCKS) - 1))
    steps.append((HOLD, draw(CYCLES), clock, 0))
    if draw(st.integers(0, 4)) == 0:
        steps.append((HOLD, draw(CYCLES), draw(st.integers(0, len(CLOCKS) - 1)), 0))
    steps.append((MARK, draw(st.integers(0, 1)), 0, 0))
    steps += [(RELEASE, pool, tokens, 0) for pool, tokens in draw(st.permutations(taken))]
    if draw(st.integers(0, 5)) == 0:
        steps += [(HOLD, draw(CYCLES), clock, 0), (MARK, 0, 0, 0)]
    if before:
        steps.append((RELEASE, before[1], amount, 0))
    if after:
        steps.append((RELEASE, after[0], amount, 0))
    return steps


def _background(draw: st.DrawFn, build: _Builder) -> None:
    period = draw(st.sampled_from([3000, 7800, 20011, 50000]))
    asleep = build.template([(HOLD, period, 0, 0), (MARK, 1, 0, 0)], "asleep")
    body = [asleep]
    if build.shared and draw(st.integers(0, 3)):
        pool = draw(st.sampled_from(build.shared))
        tokens = draw(st.integers(1, build.pools[pool].initial))
        steps: list[Step] = [
            (ACQUIRE, pool, tokens, draw(st.integers(0, 2))),
            (HOLD, draw(st.sampled_from([13, 180, 999])), 0, 0),
            (MARK, 0, 0, 0),
            (RELEASE, pool, tokens, 0),
        ]
        body.append(build.template(steps, "refresh"))
    cause = draw(st.sampled_from([None, Cause.REFRESH]))
    count = draw(st.sampled_from([1, 5, 10**9]))
    build.components.append(
        Component(f"c{len(build.components)}", "refresh", (Loop(count, tuple(body)),), True, cause)
    )
