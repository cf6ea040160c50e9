"""When foreground components can never run again, and what to tell the user.

If nothing at all can happen any more, the machine is stuck. If only background components still
run, it is stuck when none of them could ever let a foreground component go on: the tokens they
hold at the moment, given back, would not be enough, and they produce none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.errors import CosimError
from cosim.mapping.program import Component, Program, StepKind
from cosim.mapping.task_stream import template_counts


@dataclass(frozen=True)
class Request:
    """A waiting component's request, as an executor hands it over for the message."""

    rank: int
    pool: int
    amount: int


def net_producers(program: Program) -> list[bool]:
    """Whether a background component gives a pool more than it takes, shape (n_pools,).

    Judged template by template: what one template takes and another gives counts as produced.
    """
    produced = [False] * len(program.pools)
    if program.governing is not None and program.governing.energy_pool is not None:
        produced[program.governing.energy_pool] = True
    for component in program.components:
        if not component.background:
            continue
        for number in template_counts(component.stream):
            net: dict[int, int] = {}
            for kind, index, amount, _ in program.templates[number].steps:
                if kind == StepKind.ACQUIRE:
                    net[index] = net.get(index, 0) - amount
                elif kind == StepKind.RELEASE:
                    net[index] = net.get(index, 0) + amount
            for index, amount in net.items():
                produced[index] |= amount > 0
    return produced


def deadlock_error(
    program: Program,
    now_ps: int,
    levels: Sequence[int],
    waiting: Sequence[Request],
) -> CosimError:
    """The error that names the wait-for cycle.

    Parameters
    ----------
    program : Program
    now_ps : int
        Time at which nothing could go on.
    levels : sequence of int
        Tokens in every pool.
    waiting : sequence of Request
        All waiting components, background ones included.
    """
    requests = {request.rank: request for request in waiting}
    foreground = [r for r in sorted(requests) if not program.components[r].background]
    path: list[int] = []
    rank: int | None = foreground[0] if foreground else None
    while rank is not None and rank not in path:
        path.append(rank)
        rank = _feeder(program, requests, rank)
    if rank is not None:
        path = path[path.index(rank) :]
    parts = [_wait_text(program, levels, requests, rank) for rank in path]
    advice = [program.pools[requests[rank].pool].advice for rank in path if rank in requests]
    return CosimError(
        f"deadlock at {now_ps} ps: " + "; ".join(parts),
        expected=" or ".join(dict.fromkeys(filter(None, advice))),
    )


def _wait_text(
    program: Program, levels: Sequence[int], requests: Mapping[int, Request], rank: int
) -> str:
    request = requests[rank]
    pool = program.pools[request.pool]
    feeder = _feeder(program, requests, rank)
    feeders = _feeders(program, request.pool, rank)
    if feeder is not None:
        fed = f"fed by '{program.components[feeder].name}'"
    elif feeders:
        names = ", ".join(f"'{program.components[r].name}'" for r in feeders)
        fed = f"fed by {names}, which has no tasks left"
    else:
        fed = "which nobody feeds"
    return (
        f"'{program.components[rank].name}' waits for {request.amount} of '{pool.name}' "
        f"({levels[request.pool]} there), {fed}"
    )


def _feeder(program: Program, requests: Mapping[int, Request], rank: int) -> int | None:
    """The waiting component that feeds the pool `rank` waits for, others before itself."""
    pool = requests[rank].pool
    for other in _feeders(program, pool, rank):
        if other in requests:
            return other
    return None


def _feeders(program: Program, pool: int, rank: int) -> list[int]:
    feeding = [r for r, part in enumerate(program.components) if _releases(program, part, pool)]
    return sorted(feeding, key=lambda other: (other == rank, other))


def _releases(program: Program, component: Component, pool: int) -> bool:
    return any(
        kind == StepKind.RELEASE and index == pool
        for number in template_counts(component.stream)
        for kind, index, _, _ in program.templates[number].steps
    )


def overflow_error(program: Program, rank: int, pool: int, level: int, now_ps: int) -> CosimError:
    """The error for a release that lifts a pool above its capacity."""
    target = program.pools[pool]
    return CosimError(
        f"'{program.components[rank].name}' gives back more than pool '{target.name}' can hold: "
        f"{level} at {now_ps} ps, capacity {target.capacity}"
    )
