"""Machines whose DRAM is served burst by burst, under power policies: every executor the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim import design
from cosim.analysis.summary import analyse, summarise
from cosim.design.power import Capacitor
from cosim.machine.execute import RunResult, run
from cosim.mapping.program import Program, StepKind
from cosim.simulate import simulate
from tests.analysis.tiny import DESIGN
from tests.machine.governed_programs import (
    _first_interval_ps,
    most_ps,
    policies,
    under_a_policy,
)
from tests.machine.power.test_governed_designs import POLICIES, network
from tests.machine.served_programs import served_programs
from tests.machine.test_equality import assert_same

LONG = 3_000_000
"""More than a served transfer of the tiny design takes by itself."""


@st.composite
def governed_served(draw: st.DrawFn, max_tasks: int = 16) -> Program:
    """A random program, some of whose transfers are served, under a random policy."""
    plain = draw(served_programs(max_tasks=max_tasks))
    templates, largest, longest = [], 0, LONG
    for template in plain.templates:
        duration = _first_interval_ps(plain, template)
        serves = any(step[0] == StepKind.SERVE for step in template.steps)
        picojoules = draw(st.sampled_from([0, 40, 900])) if duration or serves else 0
        entries = (("array", "", float(picojoules)),) if picojoules else ()
        templates.append(template._replace(info=template.info._replace(energy=entries)))
        # powers are whole microwatts, so a task may need a little more
        largest = max(largest, picojoules * 1_000_000 + duration)
        longest = max(longest, duration)
    plain = replace(plain, templates=tuple(templates))
    together = most_ps(plain, LONG // 10)
    drawn = policies(largest, longest * (1 + 2 * len(DESIGN.dma)), together)
    return under_a_policy(draw, plain, drawn, together)


def served_energy(program: Program, result: RunResult) -> int:
    """Attojoules of all transfers that the channel served, by the rows that they left."""
    governing = program.governing
    assert governing is not None
    rows = result.timeline.rows()
    seen: set[tuple[int, int]] = set()
    total = 0
    for component, template, task in zip(
        rows.component.tolist(), rows.template.tolist(), rows.task.tolist(), strict=True
    ):
        if component != governing.component and (component, task) not in seen:
            seen.add((component, task))
            total += governing.served_aj[template] if governing.served_aj else 0
    return total


def check(program: Program) -> None:
    """All executors agree, and no energy of a store is lost."""
    expected = run(program, executor="simpy")
    assert expected.governor is not None
    for executor in ("python", "compiled"):
        other = run(program, executor=executor)
        assert_same(other, expected)
        assert other.dram == expected.dram
        assert other.governor is not None
        assert other.governor.totals == expected.governor.totals
        assert other.governor.samples == expected.governor.samples
        assert other.governor.facts == expected.governor.facts
    flows = expected.governor.totals
    if not any(part.background and part.stream for part in program.components):
        assert flows["tasks"] >= served_energy(program, expected)
    assert program.governing is not None
    if isinstance(program.governing.policy, Capacitor):
        gone = set(flows) - {"initial", "harvested"}
        assert flows["initial"] + flows["harvested"] == sum(flows[name] for name in gone)


@given(governed_served())
@settings(max_examples=12)
def test_every_executor_does_the_same(program: Program) -> None:
    check(program)


@pytest.mark.slow
@given(governed_served(max_tasks=20))
@settings(max_examples=2000)
def test_thousands_of_machines(program: Program) -> None:
    check(program)


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"none"}))
def test_a_whole_design_keeps_its_promises_in_the_burst_tier(policy: str) -> None:
    """The policy acts, the same work is done, and its joules are those of the transfer tier.

    Transfers cost by their bytes, and by the time that the port's engine is taken to run.
    """
    boards = [
        design.load("edge-asic-16x16", {**POLICIES[policy], "dram.tier": tier})
        for tier in ("burst", "transfer")
    ]
    burst, transfer = (simulate(network(), board) for board in boards)
    tasks = [run.result.governor.totals["tasks"] for run in (burst, transfer)]
    if not boards[0].power.states:
        assert tasks[0] == pytest.approx(tasks[1], rel=0.01)
    program = burst.program
    slow, fast = (run(program, executor=name) for name in ("simpy", "python"))
    assert_same(fast, slow)
    assert slow.governor.totals == fast.governor.totals
    found = analyse(
        program, burst.design, burst.result.timeline, burst.result.makespan_ps, burst.result.dram
    )
    # the critical path leads back to the beginning, without a gap
    assert found.breakdown.total_ps == burst.result.makespan_ps
    assert summarise(found)["power_policy"]
    throttled = np.flatnonzero(
        burst.result.timeline.rows().component == program.governing.component
    )
    assert len(throttled) > 0
