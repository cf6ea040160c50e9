"""Machines small enough to follow by hand."""

from __future__ import annotations

import pytest

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.mapping.program import Component, Pool, PoolPhase, Program, TaskInfo, Template
from cosim.mapping.task_stream import Loop
from cosim.timeline.causes import Cause

ACQUIRE, HOLD, RELEASE, MARK = range(4)
BOTH = ("simpy", "python", "compiled")


def machine(pools, components, templates) -> Program:
    return Program(
        name="small",
        clock_periods_ps=(1, 10),
        clock_names=("ps", "core"),
        pools=tuple(pools),
        components=tuple(components),
        templates=tuple(Template(tuple(steps), TaskInfo(0, "work")) for steps in templates),
        lanes=("lane",),
        layers=("layer",),
    )


def intervals(program: Program, executor: str) -> list[tuple[int, int, int, Cause, int]]:
    rows = run(program, executor=executor).timeline.rows()
    return [
        (component, start, end, Cause(cause), cause_row)
        for component, start, end, cause, cause_row in zip(
            rows.component.tolist(), rows.start.tolist(), rows.end.tolist(), rows.cause.tolist(),
            rows.cause_row.tolist(), strict=True,
        )
    ]  # fmt: skip


def token(name: str, phase: PoolPhase = PoolPhase.IMMEDIATE, cause: Cause = Cause.INPUT) -> Pool:
    return Pool(name, 0, phase, cause)


@pytest.mark.parametrize("executor", BOTH)
def test_a_consumer_waits_for_its_producer(executor: str) -> None:
    program = machine(
        [token("ready")],
        [Component("producer", "dma", (Loop(2, (0,)),)), Component("user", "engine", (1, 1))],
        [
            [(HOLD, 3, 1, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
            [(ACQUIRE, 0, 1, 0), (HOLD, 50, 0, 0), (MARK, 0, 0, 0)],
        ],
    )
    assert intervals(program, executor) == [
        (0, 0, 30, Cause.START, -1),
        (0, 30, 60, Cause.SEQUENCE, 0),
        (1, 30, 80, Cause.INPUT, 0),
        (1, 80, 130, Cause.SEQUENCE, 2),
    ]


@pytest.mark.parametrize("executor", BOTH)
def test_a_wait_of_no_length_keeps_the_cause_of_the_wait_before(executor: str) -> None:
    """User waits for A until 20, then for B, which was there: the cause is A."""
    program = machine(
        [
            token("a", PoolPhase.BUFFER, Cause.INPUT),
            Pool("b", 1, PoolPhase.POWER, Cause.POWER),
        ],
        [Component("feeder", "dma", (0,)), Component("user", "engine", (1,))],
        [
            [(HOLD, 20, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
            [(ACQUIRE, 0, 1, 0), (ACQUIRE, 1, 1, 0), (HOLD, 5, 0, 0), (MARK, 0, 0, 0)],
        ],
    )
    assert intervals(program, executor)[1] == (1, 20, 25, Cause.INPUT, 0)


@pytest.mark.parametrize("executor", BOTH)
def test_the_last_wait_that_took_time_is_the_cause(executor: str) -> None:
    """User waits for A until 20, then for B until 30: the cause is B."""
    program = machine(
        [
            token("a", PoolPhase.BUFFER, Cause.INPUT),
            token("b", PoolPhase.POWER, Cause.POWER),
        ],
        [
            Component("slow", "power", (2,), release_cause=Cause.THROTTLED),
            Component("feeder", "dma", (0,)),
            Component("user", "engine", (1,)),
        ],
        [
            [(HOLD, 20, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
            [(ACQUIRE, 0, 1, 0), (ACQUIRE, 1, 1, 0), (HOLD, 5, 0, 0), (MARK, 0, 0, 0)],
            [(HOLD, 30, 0, 0), (MARK, 0, 0, 0), (RELEASE, 1, 1, 0)],
        ],
    )
    assert intervals(program, executor)[-1] == (2, 30, 35, Cause.THROTTLED, 1)


@pytest.mark.parametrize("executor", BOTH)
def test_two_releases_of_one_instant_the_one_processed_last_is_the_cause(executor: str) -> None:
    program = machine(
        [token("both", PoolPhase.BUFFER)],
        [
            Component("user", "engine", (0,)),
            Component("one", "dma", (1,)),
            Component("two", "dma", (1,)),
        ],
        [
            [(ACQUIRE, 0, 2, 0), (HOLD, 1, 0, 0), (MARK, 0, 0, 0)],
            [(HOLD, 7, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
        ],
    )
    assert intervals(program, executor)[-1] == (0, 7, 8, Cause.INPUT, 1)


@pytest.mark.parametrize("executor", BOTH)
def test_requests_of_one_instant_go_by_priority_then_rank(executor: str) -> None:
    program = machine(
        [Pool("channel", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1)],
        [
            Component(name, "dma", (template,))
            for name, template in zip("abc", (0, 1, 1), strict=True)
        ],
        [
            [(ACQUIRE, 0, 1, 2), (HOLD, 4, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
            [(ACQUIRE, 0, 1, 1), (HOLD, 3, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
        ],
    )
    assert intervals(program, executor) == [
        (1, 0, 3, Cause.START, -1),
        (2, 3, 6, Cause.DRAM_BUSY, 0),
        (0, 6, 10, Cause.DRAM_BUSY, 1),
    ]


@pytest.mark.parametrize("executor", BOTH)
def test_a_request_that_does_not_fit_holds_back_those_behind_it(executor: str) -> None:
    program = machine(
        [Pool("power", 3, PoolPhase.POWER, Cause.POWER, "power", 3)],
        [
            Component(name, "engine", (template,))
            for name, template in zip("abc", (0, 1, 2), strict=True)
        ],
        [
            [(ACQUIRE, 0, 2, 0), (HOLD, 10, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 2, 0)],
            [(ACQUIRE, 0, 2, 1), (HOLD, 10, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 2, 0)],
            [(ACQUIRE, 0, 1, 2), (HOLD, 10, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
        ],
    )
    assert [row[:3] for row in intervals(program, executor)] == [
        (0, 0, 10),
        (1, 10, 20),
        (2, 10, 20),
    ]


@pytest.mark.parametrize("executor", BOTH)
def test_an_earlier_arrival_goes_before_a_lower_rank(executor: str) -> None:
    program = machine(
        [Pool("channel", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1)],
        [
            Component("late", "dma", (1, 0)),
            Component("early", "dma", (0,)),
            Component("first", "dma", (2,)),
        ],
        [
            [(ACQUIRE, 0, 1, 1), (HOLD, 10, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
            [(HOLD, 1, 0, 0), (MARK, 0, 0, 0)],
            [(ACQUIRE, 0, 1, 0), (HOLD, 5, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
        ],
    )
    rows = intervals(program, executor)
    assert [row[0] for row in rows] == [0, 2, 1, 0]
    assert [row[1] for row in rows] == [0, 0, 5, 15]


@pytest.mark.parametrize("executor", BOTH)
def test_background_components_do_not_keep_the_run_alive(executor: str) -> None:
    program = machine(
        [Pool("channel", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1)],
        [
            Component("refresh", "dram", (Loop(10**12, (1, 2)),), True, Cause.REFRESH),
            Component("loader", "dma", (Loop(3, (0,)),)),
        ],
        [
            [(ACQUIRE, 0, 1, 1), (HOLD, 40, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
            [(HOLD, 50, 0, 0), (MARK, 0, 0, 0)],
            [(ACQUIRE, 0, 1, 0), (HOLD, 7, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)],
        ],
    )
    assert intervals(program, executor) == [
        (1, 0, 40, Cause.START, -1),
        (0, 0, 50, Cause.START, -1),
        (1, 40, 80, Cause.SEQUENCE, 0),
        (0, 80, 87, Cause.DRAM_BUSY, 2),
        (1, 87, 127, Cause.REFRESH, 3),
    ]
    assert run(program, executor=executor).makespan_ps == 127


@pytest.mark.parametrize("executor", BOTH)
def test_holds_follow_one_another_and_count_as_one_interval(executor: str) -> None:
    program = machine(
        [],
        [Component("engine", "engine", (0,))],
        [[(HOLD, 2, 1, 0), (HOLD, 3, 0, 0), (MARK, 0, 0, 0), (HOLD, 0, 0, 0), (MARK, 0, 0, 0)]],
    )
    assert intervals(program, executor) == [
        (0, 0, 23, Cause.START, -1),
        (0, 23, 23, Cause.SEQUENCE, 0),
    ]


@pytest.mark.parametrize("executor", BOTH)
def test_a_program_without_tasks_takes_no_time(executor: str) -> None:
    program = machine(
        [], [Component("idle", "engine", (Loop(0, (0,)),))], [[(HOLD, 1, 0, 0), (MARK, 0, 0, 0)]]
    )
    result = run(program, executor=executor)
    assert result.makespan_ps == 0
    assert len(result.timeline) == 0


@pytest.mark.parametrize("executor", BOTH)
def test_a_deadlock_names_who_waits_for_whom(executor: str) -> None:
    wait_give = [(ACQUIRE, 0, 1, 0), (HOLD, 1, 0, 0), (MARK, 0, 0, 0), (RELEASE, 1, 1, 0)]
    give_wait = [(ACQUIRE, 1, 1, 0), (HOLD, 1, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)]
    program = machine(
        [token("tiles"), token("slots")],
        [Component("array", "engine", (0,)), Component("loader", "dma", (1,))],
        [wait_give, give_wait],
    )
    with pytest.raises(CosimError) as error:
        run(program, executor=executor)
    assert str(error.value) == (
        "deadlock at 0 ps: 'array' waits for 1 of 'tiles' (0 there), fed by 'loader'; "
        "'loader' waits for 1 of 'slots' (0 there), fed by 'array'"
    )


@pytest.mark.parametrize("executor", BOTH)
def test_a_deadlock_is_noticed_while_background_components_run(executor: str) -> None:
    program = machine(
        [token("never"), Pool("channel", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1)],
        [
            Component("refresh", "dram", (Loop(10**12, (1,)),), True),
            Component("array", "engine", (0,)),
        ],
        [
            [(ACQUIRE, 0, 1, 0), (HOLD, 1, 0, 0), (MARK, 0, 0, 0)],
            [(HOLD, 5, 0, 0), (MARK, 0, 0, 0), (ACQUIRE, 1, 1, 0), (HOLD, 5, 0, 0),
             (MARK, 0, 0, 0), (RELEASE, 1, 1, 0)],
        ],
    )  # fmt: skip
    with pytest.raises(CosimError, match=r"'array' waits for 1 of 'never' .*which nobody feeds"):
        run(program, executor=executor)


@pytest.mark.parametrize("executor", BOTH)
def test_a_pool_filled_above_its_capacity_is_an_error(executor: str) -> None:
    program = machine(
        [Pool("slots", 1, PoolPhase.IMMEDIATE, Cause.INPUT, "buffer", 1)],
        [Component("array", "engine", (0,))],
        [[(HOLD, 1, 0, 0), (MARK, 0, 0, 0), (RELEASE, 0, 1, 0)]],
    )
    with pytest.raises(CosimError, match="'array' gives back more than pool 'slots' can hold: 2"):
        run(program, executor=executor)
