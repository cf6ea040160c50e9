"""Checks a program before it runs, so that executors need not check what cannot happen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.mapping.program import Component, PoolPhase, Program, Step, StepKind
from cosim.mapping.task_stream import Loop, Node
from cosim.mapping.template_columns import columns_of
from cosim.memo import Attached

Integers = NDArray[np.int64]

ACQUIRE, HOLD, RELEASE, MARK, SERVE = (int(kind) for kind in StepKind)


def check_program(program: Program) -> None:
    """Raise if a program breaks the rules of `cosim.mapping.program`.

    Raises
    ------
    CosimError
        A pool, clock, lane or template that does not exist; a pool that starts below zero or above
        its capacity; a request above a pool's capacity; two requesters of an immediate pool; steps
        in an order that the grammar excludes.
    """
    if not _sound.get(program):
        _check(program)
        _sound[program] = True


_sound: Attached[Program, bool] = Attached()


def _check(program: Program) -> None:
    _check_clocks(program)
    _check_pools(program)
    if not are_sound(program):
        for number, template in enumerate(program.templates):
            problem = _grammar_problem(program, template.steps)
            if problem:
                raise CosimError(problem, where=_where(program, number))
    _check_descriptors(program)
    _check_streams(program)


_FOLLOWS = np.zeros((len(StepKind), len(StepKind)), bool)
"""Which kind of step (column) may follow which other of the same template; the first one follows a
RELEASE."""
_FOLLOWS[ACQUIRE] = [True, True, False, False, True]
_FOLLOWS[HOLD] = _FOLLOWS[SERVE] = [False, True, False, True, False]
_FOLLOWS[RELEASE] = _FOLLOWS[MARK] = [True, True, True, False, True]
_LASTS = np.array([kind in (MARK, RELEASE) for kind in StepKind])
"""Which kinds of steps a template may end with."""


def are_sound(program: Program) -> bool:
    """Whether the steps of no template break the rules, all templates looked at together."""
    columns = columns_of(program)
    kind, a, b, _ = columns.steps
    lengths = columns.lengths
    if not len(kind) or not lengths.all():
        return not len(lengths)
    if kind.min() < 0 or kind.max() >= len(StepKind):
        return False
    ends = np.cumsum(lengths)
    before = np.concatenate(([RELEASE], kind[:-1]))
    before[ends[:-1]] = RELEASE
    if not (_FOLLOWS[before, kind].all() and _LASTS[kind[ends - 1]].all()):
        return False
    pools, clocks = len(program.pools), len(program.clock_periods_ps)
    serve = _NO_LIMIT if program.dram is not None else 0
    # below which `a` and `b` must be, by kind of step
    most_a = np.array([pools, _NO_LIMIT, pools, len(program.lanes), serve])[kind]
    most_b = np.array([_NO_LIMIT, clocks, _NO_LIMIT, _NO_LIMIT, _NO_LIMIT])[kind]
    counted = kind <= RELEASE
    if not (((a >= 0) & (a < most_a)).all() and ((b >= 0) | ~counted).all() and (b < most_b).all()):
        return False
    limits = [_NO_LIMIT if pool.capacity is None else pool.capacity for pool in program.pools]
    taken = np.flatnonzero(kind == ACQUIRE)
    return not len(taken) or bool((b[taken] <= np.array(limits)[a[taken]]).all())


_NO_LIMIT = np.iinfo(np.int64).max


def _check_streams(program: Program) -> None:
    """Templates of streams exist, and a pool that grants at once has one requester."""
    parts = program.components
    for part in parts:
        if part.rows is not part.stream:
            _check_loops(tuple(part.stream), part.name)
    templates = [part.rows.templates for part in parts]
    every = np.concatenate([np.zeros(0, np.int64), *templates])
    if not len(every):
        return
    if every.min() < 0 or every.max() >= len(program.templates):
        for part, own in zip(parts, templates, strict=True):
            _check_templates(program, part, own)
    owner = np.full(len(program.templates), -1, np.int64)
    rank = np.repeat(np.arange(len(parts)), [len(own) for own in templates])
    owner[every] = rank
    several = [(owner, every)]
    if (owner[every] != rank).any():  # components share templates
        several = [(np.full_like(owner, rank), own) for rank, own in enumerate(templates)]
    _check_requesters(program, several)


def _check_templates(program: Program, component: Component, templates: Integers) -> None:
    wrong = templates[(templates < 0) | (templates >= len(program.templates))]
    if len(wrong):
        raise CosimError(
            f"template {int(wrong.min() if wrong.min() < 0 else wrong.max())} does not exist",
            where=f"stream of '{component.name}'",
            expected=f"0 to {len(program.templates) - 1}",
        )


def _check_loops(nodes: tuple[Node, ...], name: str) -> None:
    for node in nodes:
        if isinstance(node, Loop):
            if node.count < 0:
                raise CosimError(f"a loop repeats {node.count} times", where=f"stream of '{name}'")
            _check_loops(node.body, name)


def _check_requesters(program: Program, owners: list[tuple[Integers, Integers]]) -> None:
    """`owners` are ranks of components by template, and the templates of which that is said."""
    columns = columns_of(program)
    taken = np.flatnonzero(columns.steps[0] == ACQUIRE)
    template = columns.of_step[taken]
    pool = columns.steps[1, taken]
    asked = np.zeros((len(program.pools), len(program.components)), bool)
    for owner, templates in owners:
        used = np.zeros(len(owner), bool)
        used[templates] = True
        own = used[template]
        asked[pool[own], owner[template[own]]] = True
    for index in np.flatnonzero(asked.sum(axis=1) > 1).tolist():
        if program.pools[index].phase != PoolPhase.IMMEDIATE:
            continue
        one, other = (program.components[rank].name for rank in np.flatnonzero(asked[index])[:2])
        raise CosimError(
            f"pool '{program.pools[index].name}' grants at once and so has one requester, but both "
            f"'{one}' and '{other}' ask for it",
            expected="an arbitrated phase",
        )


def _check_clocks(program: Program) -> None:
    if not program.clock_periods_ps or program.clock_periods_ps[0] != 1:
        raise CosimError("clock 0 of a program must be the picosecond", where=program.name)
    for clock, period in enumerate(program.clock_periods_ps):
        if period <= 0:
            raise CosimError(f"period of clock {clock} is {period} ps, must be positive")


def _check_descriptors(program: Program) -> None:
    """Every SERVE has its descriptor."""
    if program.dram is None:
        return
    serves = [sum(s[0] == SERVE for s in t.steps) for t in program.templates]
    given = {master.component: master.serves for master in program.dram.masters}
    for rank, component in enumerate(program.components):
        asked = sum(serves[number] * count for number, count in component.counts.items())
        if asked != given.get(rank, 0):
            raise CosimError(
                f"'{component.name}' asks {asked} times for DRAM service and has "
                f"{given.get(rank, 0)} descriptors",
                where=program.name,
            )


def _check_pools(program: Program) -> None:
    for pool in program.pools:
        if pool.initial < 0:
            raise CosimError(f"pool '{pool.name}' starts at {pool.initial}, below zero")
        if pool.capacity is not None and pool.initial > pool.capacity:
            raise CosimError(
                f"pool '{pool.name}' starts at {pool.initial}, above its capacity {pool.capacity}"
            )


def _where(program: Program, number: int) -> str:
    info = program.templates[number].info
    layer = program.layers[info.op] if 0 <= info.op < len(program.layers) else ""
    return f"template {number} ({' '.join(filter(None, (layer, info.activity)))})"


def _grammar_problem(program: Program, steps: tuple[Step, ...]) -> str:
    """What is wrong with the steps of a template, empty if nothing is.

    Between two MARKs come ACQUIREs, then HOLDs, then the MARK; RELEASEs only after a MARK.
    """
    pools, clocks, lanes = program.pools, len(program.clock_periods_ps), len(program.lanes)
    before = RELEASE
    for place, (kind, index, amount, _) in enumerate(steps):
        problem = ""
        if kind == ACQUIRE:
            if before == HOLD:
                problem = "ACQUIRE between HOLD and its MARK"
            elif not 0 <= index < len(pools):
                problem = _missing("pool", index, len(pools))
            elif amount < 0:
                problem = f"ACQUIRE of {amount} tokens"
            else:
                capacity = pools[index].capacity
                if capacity is not None and amount > capacity:
                    problem = (
                        f"asks for {amount} of pool '{pools[index].name}', "
                        f"which never holds more than {capacity}"
                    )
            before = ACQUIRE
        elif kind == HOLD:
            if not 0 <= amount < clocks:
                problem = _missing("clock", amount, clocks)
            elif index < 0:
                problem = f"HOLD of {index} cycles"
            before = HOLD
        elif kind == SERVE:
            if program.dram is None:
                problem = "SERVE in a program without a DRAM channel"
            elif before == HOLD:
                problem = "SERVE after a HOLD or SERVE of the same interval"
            before = HOLD
        elif kind == MARK:
            if before != HOLD:
                problem = "MARK without a HOLD before it"
            elif not 0 <= index < lanes:
                problem = _missing("lane", index, lanes)
            before = RELEASE
        elif kind == RELEASE:
            if before != RELEASE:
                problem = "RELEASE before the MARK of the interval whose end it announces"
            elif not 0 <= index < len(pools):
                problem = _missing("pool", index, len(pools))
            elif amount < 0:
                problem = f"RELEASE of {amount} tokens"
        else:
            problem = f"unknown step kind {kind}"
        if problem:
            return f"{problem} (step {place})"
    if before != RELEASE:
        return "ends without a MARK"
    return "" if steps else "has no steps"


def _missing(what: str, index: int, count: int) -> str:
    return f"{what} {index} does not exist, there are {count}"
