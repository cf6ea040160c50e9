"""Machines with a DRAM channel served burst by burst: the same on every executor, and lawful."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.design.design import DramController
from cosim.errors import CosimError
from cosim.machine.dram.layout import Descriptor
from cosim.machine.execute import run
from cosim.machine.simpy_executor import SimPyExecutor
from cosim.mapping.dram_service import IN_THE_BACKGROUND, DramMaster, DramService
from cosim.mapping.program import (
    Component,
    Pool,
    PoolPhase,
    Program,
    StepKind,
    TaskInfo,
    Template,
)
from cosim.timeline.causes import Cause
from tests.machine.dram.test_scheduler import bursts_of
from tests.machine.served_programs import served_programs
from tests.machine.test_equality import assert_same


@given(served_programs(max_tasks=24))
@settings(max_examples=15)
def test_every_executor_gives_the_same_rows(program: Program) -> None:
    expected = run(program, executor="simpy")
    for executor in ("python", "compiled"):
        other = run(program, executor=executor)
        assert_same(other, expected)
        assert other.dram == expected.dram
        assert "burst by burst" in other.why_not_skipped


@pytest.mark.slow
@given(served_programs(max_tasks=40))
@settings(max_examples=2000)
def test_thousands_of_machines(program: Program) -> None:
    expected = run(program, executor="simpy")
    other = run(program, executor="compiled")
    assert_same(other, expected)
    assert other.dram == expected.dram


@given(served_programs(max_tasks=12))
@settings(max_examples=8)
def test_the_order_in_which_processes_are_created_does_not_matter(program: Program) -> None:
    ranks = range(len(program.components))
    tables = [
        SimPyExecutor(program, creation_order=order).run() for order in (ranks, reversed(ranks))
    ]
    assert (tables[0] == tables[1]).all()


@given(served_programs(max_tasks=16))
@settings(max_examples=10)
def test_every_interval_starts_where_its_cause_ends(program: Program) -> None:
    rows = run(program, executor="python").timeline.rows()
    later = rows.start > 0
    assert (rows.cause_row[later] >= 0).all()
    assert (rows.end[rows.cause_row[later]] == rows.start[later]).all()
    assert (rows.cause_row < np.arange(len(rows.start))).all()


@given(served_programs(max_tasks=16))
@settings(max_examples=10)
def test_who_waited_for_the_dram_names_a_row_of_the_channel(program: Program) -> None:
    assert program.dram
    rows = run(program, executor="python").timeline.rows()
    channel = program.dram.component
    mine = rows.component == channel
    # the channel's rows follow one another and never overlap
    assert (rows.start[mine][1:] >= rows.end[mine][:-1]).all()
    pool_causes = {pool.cause for pool in program.pools}
    for cause in {Cause.DRAM_BUSY, Cause.REFRESH} - pool_causes:
        waited = ~mine & (rows.cause == cause)
        released = {part.release_cause for part in program.components}
        if cause not in released:
            assert (rows.component[rows.cause_row[waited]] == channel).all()


@given(served_programs(max_tasks=16, background=False))
@settings(max_examples=12)
def test_every_burst_is_moved_once(program: Program) -> None:
    assert program.dram
    commands = run(program, executor="python").dram
    assert commands
    size = program.dram.part.burst_bytes
    asked = [0, 0]
    for master in program.dram.masters:
        for row in master.descriptors:
            asked[int(row[4])] += len(_bursts(row, size))
    assert [commands.reads, commands.writes] == asked
    assert commands.open_clocks + commands.closed_clocks > 0


def _bursts(row: np.ndarray, size: int) -> list[int]:
    return bursts_of(Descriptor(*(int(value) for value in row)), size)


@given(served_programs(max_tasks=10))
@settings(max_examples=10)
def test_a_serve_without_a_descriptor_is_refused(program: Program) -> None:
    assert program.dram
    if not program.dram.masters or program.dram.masters[0].background:
        return
    without = replace(program.dram, masters=program.dram.masters[1:])
    with pytest.raises(CosimError, match="for DRAM service and has 0 descriptors"):
        run(replace(program, dram=without))


@pytest.mark.parametrize("executor", ["simpy", "python", "compiled"])
@pytest.mark.parametrize("traffic", [False, True])
def test_a_deadlock_is_found_whatever_goes_on_in_the_background(
    executor: str, traffic: bool
) -> None:
    """One transfer, then a wait for a token that nobody gives."""
    part = catalogue.dram_part("ddr3l-1600-x16")
    rows = np.array([[0, 256, 0, 1, 0, 0, 1]])
    masters = [DramMaster(0, rows, np.array([0, 1]))]
    if traffic:
        masters.append(DramMaster(IN_THE_BACKGROUND, rows, np.array([0]), period_ps=10**6))
    service = DramService(
        part, address_map(part.map, part), DramController(), tuple(masters), 1, (2, 3, 4), 0
    )
    mark = (int(StepKind.MARK), 0, 0, 0)
    hold = (int(StepKind.HOLD), 1, 0, 0)
    steps = [((int(StepKind.SERVE), 0, 0, 0), mark)]
    steps += [((int(StepKind.ACQUIRE), 0, 1, 0), hold, mark), *[(hold, mark)] * 3]
    program = Program(
        "stuck", (1,), ("ps",), (Pool("token", 0, PoolPhase.IMMEDIATE, Cause.INPUT),),
        (Component("load", "dma", (0, 1)), Component("dram", "dram", (), background=True)),
        tuple(Template(each, TaskInfo(-1, "work")) for each in steps), ("lane",), ("layer",),
        dram=service,
    )  # fmt: skip
    with pytest.raises(CosimError, match=r"deadlock at .* 'load' waits for 1 of 'token'"):
        run(program, executor=executor)
