"""Checks a program before it runs, so that executors need not check what cannot happen."""

from __future__ import annotations

from cosim.errors import CosimError
from cosim.mapping.program import (
    Component,
    Loop,
    PoolPhase,
    Program,
    StepKind,
    Template,
    template_counts,
)


def check_program(program: Program) -> None:
    """Raise if a program breaks the rules of `cosim.mapping.program`.

    Raises
    ------
    CosimError
        A pool, clock, lane or template that does not exist; a pool that starts below zero or above
        its capacity; a request above a pool's capacity; two requesters of an immediate pool; steps
        in an order that the grammar excludes.
    """
    if not program.clock_periods_ps or program.clock_periods_ps[0] != 1:
        raise CosimError("clock 0 of a program must be the picosecond", where=program.name)
    for clock, period in enumerate(program.clock_periods_ps):
        if period <= 0:
            raise CosimError(f"period of clock {clock} is {period} ps, must be positive")
    for pool in program.pools:
        if pool.initial < 0:
            raise CosimError(f"pool '{pool.name}' starts at {pool.initial}, below zero")
        if pool.capacity is not None and pool.initial > pool.capacity:
            raise CosimError(
                f"pool '{pool.name}' starts at {pool.initial}, above its capacity {pool.capacity}"
            )
    for number, template in enumerate(program.templates):
        _check_template(program, number, template)
    requesters: dict[int, Component] = {}
    for component in program.components:
        for number in _templates_of(program, component):
            _check_requests(program, component, number, requesters)


def _templates_of(program: Program, component: Component) -> list[int]:
    _check_loops(component.stream, component.name)
    numbers = sorted(template_counts(component.stream))
    for number in numbers:
        if not 0 <= number < len(program.templates):
            raise CosimError(
                f"template {number} does not exist",
                where=f"stream of '{component.name}'",
                expected=f"0 to {len(program.templates) - 1}",
            )
    return numbers


def _check_loops(nodes: tuple[object, ...], name: str) -> None:
    for node in nodes:
        if isinstance(node, Loop):
            if node.count < 0:
                raise CosimError(f"a loop repeats {node.count} times", where=f"stream of '{name}'")
            _check_loops(node.body, name)


def _check_requests(
    program: Program, component: Component, number: int, requesters: dict[int, Component]
) -> None:
    for kind, index, amount, _ in program.templates[number].steps:
        if kind != StepKind.ACQUIRE:
            continue
        pool = program.pools[index]
        if pool.phase == PoolPhase.IMMEDIATE:
            other = requesters.setdefault(index, component)
            if other is not component:
                raise CosimError(
                    f"pool '{pool.name}' grants at once and so has one requester, but both "
                    f"'{other.name}' and '{component.name}' ask for it",
                    expected="an arbitrated phase",
                )
        if pool.capacity is not None and amount > pool.capacity:
            raise CosimError(
                f"'{component.name}' asks for {amount} of pool '{pool.name}', "
                f"which never holds more than {pool.capacity}",
                where=_where(program, number),
            )


def _where(program: Program, number: int) -> str:
    info = program.templates[number].info
    layer = program.layers[info.op] if 0 <= info.op < len(program.layers) else ""
    return f"template {number} ({' '.join(filter(None, (layer, info.activity)))})"


_REQUESTING, _HOLDING, _RELEASING = "acquire", "hold", "release"


def _check_template(program: Program, number: int, template: Template) -> None:
    """Between two MARKs come ACQUIREs, then HOLDs, then the MARK; RELEASEs only after a MARK."""
    if not template.steps:
        raise CosimError("has no steps", where=_where(program, number))
    state = _RELEASING
    for place, (kind, index, amount, _) in enumerate(template.steps):
        where = f"{_where(program, number)}, step {place}"
        if kind == StepKind.ACQUIRE:
            _check_index("pool", index, len(program.pools), where)
            if state == _HOLDING:
                raise CosimError("ACQUIRE between HOLD and its MARK", where=where)
            if amount < 0:
                raise CosimError(f"ACQUIRE of {amount} tokens", where=where)
            state = _REQUESTING
        elif kind == StepKind.HOLD:
            _check_index("clock", amount, len(program.clock_periods_ps), where)
            if index < 0:
                raise CosimError(f"HOLD of {index} cycles", where=where)
            state = _HOLDING
        elif kind == StepKind.MARK:
            _check_index("lane", index, len(program.lanes), where)
            if state != _HOLDING:
                raise CosimError("MARK without a HOLD before it", where=where)
            state = _RELEASING
        elif kind == StepKind.RELEASE:
            _check_index("pool", index, len(program.pools), where)
            if state != _RELEASING:
                raise CosimError(
                    "RELEASE before the MARK of the interval whose end it announces", where=where
                )
            if amount < 0:
                raise CosimError(f"RELEASE of {amount} tokens", where=where)
        else:
            raise CosimError(f"unknown step kind {kind}", where=where, expected="0 to 3")
    if state != _RELEASING:
        raise CosimError("ends without a MARK", where=_where(program, number))


def _check_index(what: str, index: int, count: int, where: str) -> None:
    if not 0 <= index < count:
        raise CosimError(
            f"{what} {index} does not exist", where=where, expected=f"0 to {count - 1}"
        )
