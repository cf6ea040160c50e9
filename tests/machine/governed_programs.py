"""Random machines under random power policies, with periods as short as the programs are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from cosim.design.power import (
    Battery,
    Capacitor,
    Ladder,
    OperatingState,
    Policy,
    RunningAverage,
    ThermalNetwork,
    ThermalPid,
    TokenBucket,
)
from cosim.mapping.governing import govern
from cosim.mapping.program import Program, StepKind, Template
from tests.analysis.tiny import DESIGN
from tests.machine.random_programs import programs

GHZ = 1_000_000_000
STATES = (
    OperatingState("1 GHz", GHZ, 0.9),
    OperatingState("600 MHz", 600_000_000, 0.8),
    OperatingState("250 MHz", 250_000_000, 0.7),
)
PERIODS = st.sampled_from([3000, 7001, 50_000, 1_000_003])
THERMAL = ThermalNetwork(((0.5, 2e-9), (3.0, 4e-7)), 300.0, 305.0, 0.4, 330.0, 20.0, 3000)


def capacitor(**changes: object) -> Capacitor:
    """A capacitor of some nanojoules for a machine of some hundred milliwatts."""
    usual = Capacitor(
        capacitance_f=2e-9, on_v=3.0, off_v=2.0, full_v=3.3, initial_v=3.0, harvest_mw=40.0,
        harvest_period_ps=20_000, harvest_duty=1.0, harvest_efficiency=0.8,
        regulator_efficiency=0.9, leakage_a=1e-6, checkpoint_aj=200_000_000, checkpoint_ps=1500,
        restore_aj=100_000_000, restore_ps=700, period_ps=5000,
    )  # fmt: skip
    return replace(usual, **changes)


MOST_INSTANTS, MOST_OF_A_CHARGE = 400, 8
"""About how often a governor may act in a run, and a harvest may come and go in a charge."""


@st.composite
def policies(
    draw: st.DrawFn, largest_aj: int, longest_ps: int, together_ps: int = 0
) -> Policy | None:
    """Any policy under which tasks of these largest needs can run.

    A run that takes about `together_ps` has no more than some hundred instants of the governor.
    """
    period = max(draw(PERIODS), together_ps // MOST_INSTANTS)
    kind = draw(st.integers(0, 7))
    if kind == 0:
        limit = draw(st.sampled_from([20.0, 60.0, 200.0]))
        return RunningAverage(limit, 20 * period, 1.25 * limit, 4 * period, period)
    if kind == 1:
        return ThermalPid(draw(st.sampled_from([301.0, 306.0])), 300.5, 100.0, period)
    if kind == 2:
        return Ladder((300.5, 301.0, 302.0), 0.2, period)
    if kind == 3:
        return Battery(1e-3, 0.5, 4.2, 3.3, 0.1, 0.9, draw(st.sampled_from([0.2, 0.4995])), period)
    if kind in (4, 5):
        rate = draw(st.sampled_from([30.0, 300.0]))
        return TokenBucket(
            rate, draw(st.sampled_from([2, 3, 8])) * max(1, largest_aj) // 2, 40 * period
        )
    if kind == 6:
        usual = capacitor()
        static_uw = 8900  # of the tiny design, before the regulator
        needed = largest_aj / 0.9 + static_uw * longest_ps + 4e8 + 4e6 * period
        stored = needed * draw(st.sampled_from([1.05, 1.5, 4.0]))
        harvest_mw = draw(st.sampled_from([60.0, 500.0]))
        return capacitor(
            initial_v=draw(st.sampled_from([2.0, 2.5, 3.3])),
            harvest_duty=draw(st.sampled_from([0.5, 1.0])),
            harvest_mw=harvest_mw,
            harvest_period_ps=max(20_000, int(stored / (400 * harvest_mw)) // MOST_OF_A_CHARGE),
            capacitance_f=stored * 1e-18 / 2.5,
            checkpoint_ps=draw(st.sampled_from([0, 1500])),
            restore_ps=draw(st.sampled_from([0, 700])),
            leakage_a=usual.leakage_a,
            period_ps=40 * period,
            sudden=draw(st.booleans()),
        )
    return None


@st.composite
def governed(draw: st.DrawFn, *, max_tasks: int = 40, max_iterations: int = 12) -> Program:
    """A governed program that runs to its end."""
    background = draw(st.integers(0, 5)) == 0
    plain = draw(
        programs(max_tasks=max_tasks, max_iterations=max_iterations, background=background)
    )
    templates, largest, longest = [], 0, 0
    for template in plain.templates:
        power_mw = draw(st.sampled_from([0, 30, 300, 2000]))
        duration = _first_interval_ps(plain, template)
        entries = (("array", "", power_mw * duration * 1e-3),) if power_mw * duration else ()
        templates.append(template._replace(info=template.info._replace(energy=entries)))
        largest = max(largest, power_mw * 1000 * duration, duration)
        longest = max(longest, duration)
    plain = replace(plain, templates=tuple(templates))
    together = most_ps(plain)
    return under_a_policy(draw, plain, policies(largest, longest, together), together)


def most_ps(program: Program, served_ps: int = 0) -> int:
    """What the busiest component of a program takes by itself, a SERVE counted as `served_ps`."""
    return max(
        sum(
            count * _duration_ps(program, program.templates[number], served_ps)
            for number, count in component.counts.items()
        )
        for component in program.components
        if not component.background
    )


def _duration_ps(program: Program, template: Template, served_ps: int) -> int:
    periods = program.clock_periods_ps
    return sum(
        served_ps if kind == StepKind.SERVE else a * periods[b]
        for kind, a, b, _ in template.steps
        if kind in (StepKind.HOLD, StepKind.SERVE)
    )


def under_a_policy(
    draw: st.DrawFn, plain: Program, drawn: st.SearchStrategy[Policy | None], together_ps: int = 0
) -> Program:
    """A program with one of its pools for power, governed by a policy, states and temperatures."""
    pools = list(plain.pools)
    for place, pool in enumerate(pools):
        if pool.cause.name == "POWER":
            pools[place] = replace(pool, kind="power")
            break
    plain = replace(plain, pools=tuple(pools))
    policy = draw(drawn)
    states = STATES if draw(st.integers(0, 3)) else ()
    thermal = None
    if policy is None or isinstance(policy, ThermalPid | Ladder) or draw(st.booleans()):
        period = max(THERMAL.period_ps, together_ps // MOST_INSTANTS)
        thermal = replace(THERMAL, period_ps=period)
    power = replace(DESIGN.power, static_mw=2.0, policy=policy, states=states)
    return govern(plain, replace(DESIGN, power=power, thermal=thermal))


def _first_interval_ps(program: Program, template: Template) -> int:
    total = 0
    for kind, a, b, _ in template.steps:
        if kind == StepKind.MARK:
            return total
        if kind == StepKind.HOLD:
            total += a * program.clock_periods_ps[b]
    return total
