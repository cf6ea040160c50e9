"""Machines under a governor: every way to run them agrees, and no energy is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from cosim.design.power import (
    Capacitor,
    Ladder,
    Policy,
    RunningAverage,
    ThermalPid,
    TokenBucket,
)
from cosim.errors import CosimError
from cosim.machine.execute import RunResult, run
from cosim.mapping.governing import govern
from cosim.mapping.program import Component, Program, StepKind, TaskInfo, Template
from cosim.timeline.governor_log import TIME
from tests.analysis.tiny import DESIGN
from tests.machine.governed_programs import STATES, THERMAL, governed
from tests.machine.reference_pipeline import pipeline
from tests.machine.test_equality import assert_same


def check_all_ways(program: Program) -> RunResult:
    expected = run(program, executor="simpy")
    for executor, jumps in (("python", True), ("compiled", True), ("python", False)):
        other = run(program, executor=executor, fast_forward=jumps)
        assert_same(other, expected)
        assert jumps or not other.tasks_skipped
        assert other.governor is not None
        assert expected.governor is not None
        assert other.governor.totals == expected.governor.totals
        assert other.governor.samples == expected.governor.samples
        assert other.governor.facts == expected.governor.facts
    return expected


def spent_by_rows(program: Program, result: RunResult) -> int:
    """Energy of all intervals in attojoules: power in the state of each, times its time."""
    governing = program.governing
    assert governing is not None
    rows = result.timeline.rows()
    seen: set[tuple[int, int]] = set()
    total = 0
    for component, template, task, start, end in zip(
        rows.component.tolist(), rows.template.tolist(), rows.task.tolist(),
        rows.start.tolist(), rows.end.tolist(), strict=True,
    ):  # fmt: skip
        if component == governing.component or (component, task) in seen:
            continue
        seen.add((component, task))
        total += _spent(program, template, end - start)
    return total


def _spent(program: Program, template: int, duration: int) -> int:
    governing = program.governing
    assert governing is not None
    steps = program.templates[template].steps
    first = next(place for place, step in enumerate(steps) if step[0] == StepKind.MARK)
    holds = [(a, b) for kind, a, b, _ in steps[:first] if kind == StepKind.HOLD]
    for state, periods in enumerate(governing.periods_ps):
        if sum(cycles * periods[clock] for cycles, clock in holds) == duration:
            return sum(
                (governing.task_power_uw[template] * governing.factors[state][clock] >> 16)
                * cycles
                * periods[clock]
                for cycles, clock in holds
            )
    raise AssertionError("an interval as long as in no state")


@given(governed())
@settings(max_examples=25)
def test_every_executor_does_the_same_under_every_policy(program: Program) -> None:
    check_laws(program)


@given(governed(max_tasks=600, max_iterations=40))
@settings(max_examples=12)
def test_long_loops_are_the_same_under_every_policy(program: Program) -> None:
    check_laws(program)


def test_a_machine_that_shares_nothing_has_operating_states_as_well() -> None:
    plain = Program(
        "alone", (1, 1000), ("ps", "core"), (), (Component("engine", "engine", (0,) * 9),),
        (Template(((StepKind.HOLD, 5, 1, 0), (StepKind.MARK, 0, 0, 0)), TaskInfo(0, "work")),),
        ("lane",), ("layer",),
    )  # fmt: skip
    policy = RunningAverage(20.0, 60_000, 25.0, 12_000, 3000)
    power = replace(DESIGN.power, policy=policy, states=STATES)
    check_laws(govern(plain, replace(DESIGN, power=power)))


POLICIES: dict[str, Policy | None] = {
    "thermal network": None,
    "ladder": Ladder((300.5, 301.0, 302.0), 0.2, 400_000_000),
    "thermal PID": ThermalPid(301.0, 300.5, 100.0, 400_000_000),
    "running average": RunningAverage(60.0, 10**10, 75.0, 10**9, 400_000_000),
}


@pytest.mark.parametrize("name", POLICIES)
def test_jumps_lie_between_the_instants_of_the_governor(name: str) -> None:
    """Tiles take less than a microsecond, the governor looks every 400 microseconds."""
    base = pipeline(4, 25, 100)
    info = base.templates[2].info._replace(energy=(("array", "", 3e5),))
    templates = list(base.templates)
    templates[2] = templates[2]._replace(info=info)
    power = replace(DESIGN.power, policy=POLICIES[name], states=STATES)
    thermal = replace(THERMAL, period_ps=400_000_000)
    program = govern(
        replace(base, templates=tuple(templates)), replace(DESIGN, power=power, thermal=thermal)
    )
    expected = check_all_ways(program)
    fast = run(program, executor="python")
    assert fast.tasks_skipped > 10 * fast.tasks_simulated
    assert fast.governor is not None
    times = fast.governor.samples[TIME]
    assert len(times) > 5
    for block in fast.timeline.blocks:
        begin = int(fast.timeline.stored["end"][block.first])
        end = int(fast.timeline.stored["end"][block.stop - 1]) + block.repeats * block.shift_ps
        assert not any(begin < time <= end for time in times[:-1])
    states = expected.governor.samples["state"] if expected.governor else []
    assert name == "thermal network" or len(set(states)) > 1


@pytest.mark.slow
@given(governed(max_tasks=500, max_iterations=40))
@settings(max_examples=2000)
def test_thousands_of_governed_machines_with_long_loops(program: Program) -> None:
    check_all_ways(program)


@pytest.mark.slow
@given(governed(max_tasks=100))
@settings(max_examples=1000)
def test_a_thousand_machines_under_every_policy(program: Program) -> None:
    check_laws(program)


def check_laws(program: Program) -> None:
    """Equal everywhere, intervals of a component apart, and no energy lost."""
    result = check_all_ways(program)
    assert result.governor is not None
    rows = result.timeline.rows()
    for component in range(len(program.components)):
        mine = rows.select(np.flatnonzero(rows.component == component))
        assert (mine.start[1:] >= mine.end[:-1]).all()
    if not any(part.background for part in program.components[:-1]):
        assert result.governor.totals["tasks"] == spent_by_rows(program, result)
    assert program.governing is not None
    if isinstance(program.governing.policy, Capacitor):
        flows = result.governor.totals
        gone = (
            "tasks", "static", "leaked", "checkpoints", "restores", "lost work", "spilled",
            "stored",
        )  # fmt: skip
        assert flows["initial"] + flows["harvested"] == sum(flows[name] for name in gone)


def test_a_deadlock_is_told_although_a_governor_never_sleeps() -> None:
    """Take away one slot of the output buffer after a few tiles: everything stops."""
    program = pipeline()
    templates = list(program.templates)
    steps = tuple(step for step in templates[4].steps if step[0] != 2 or step[1] != 3)
    templates[4] = templates[4]._replace(steps=steps)
    power = replace(DESIGN.power, policy=TokenBucket(1e6, 10**18, 10**9))
    for design in (replace(DESIGN, thermal=THERMAL), replace(DESIGN, power=power)):
        broken = govern(replace(program, templates=tuple(templates)), design)
        messages = set()
        for executor in ("simpy", "python", "compiled"):
            with pytest.raises(CosimError, match="deadlock") as error:
                run(broken, executor=executor)
            messages.add(str(error.value))
        assert len(messages) == 1
