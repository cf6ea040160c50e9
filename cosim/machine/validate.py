"""Checks a program before it runs, so that executors need not check what cannot happen."""

from __future__ import annotations

from cosim.errors import CosimError
from cosim.mapping.program import (
    Loop,
    Node,
    PoolPhase,
    Program,
    Step,
    StepKind,
    template_counts,
)
from cosim.memo import Attached

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
    requests: dict[tuple[Step, ...], set[int]] = {}
    for number, template in enumerate(program.templates):
        if template.steps not in requests:  # many templates have the steps of others
            problem = _grammar_problem(program, template.steps)
            if problem:
                raise CosimError(problem, where=_where(program, number))
            requests[template.steps] = {s[1] for s in template.steps if s[0] == ACQUIRE}
    _check_descriptors(program)
    requesters: dict[int, int] = {}
    for rank, component in enumerate(program.components):
        templates: set[int] = set()
        _collect_templates(component.stream, templates, component.name)
        if templates and not 0 <= min(templates) <= max(templates) < len(program.templates):
            wrong = min(templates) if min(templates) < 0 else max(templates)
            raise CosimError(
                f"template {wrong} does not exist",
                where=f"stream of '{component.name}'",
                expected=f"0 to {len(program.templates) - 1}",
            )
        for pool in set().union(*(requests[program.templates[n].steps] for n in templates)):
            _check_requester(program, pool, rank, requesters)


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
        counts = template_counts(component.stream)
        asked = sum(serves[number] * count for number, count in counts.items())
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


def _collect_templates(nodes: tuple[Node, ...], found: set[int], name: str) -> None:
    for node in nodes:
        if isinstance(node, Loop):
            if node.count < 0:
                raise CosimError(f"a loop repeats {node.count} times", where=f"stream of '{name}'")
            _collect_templates(node.body, found, name)
        else:
            found.add(node)


def _check_requester(program: Program, index: int, rank: int, requesters: dict[int, int]) -> None:
    pool = program.pools[index]
    if pool.phase != PoolPhase.IMMEDIATE:
        return
    other = requesters.setdefault(index, rank)
    if other != rank:
        raise CosimError(
            f"pool '{pool.name}' grants at once and so has one requester, but both "
            f"'{program.components[other].name}' and '{program.components[rank].name}' ask for it",
            expected="an arbitrated phase",
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
