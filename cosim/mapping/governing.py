"""Makes a program governable: what its tasks draw, what states and stores make of it.

A design with a power policy or a thermal network gets a further component, the governor, which has
no tasks and records what the policy does. Under a policy that stores energy every task of the
accelerator first takes what it will spend from a pool of attojoules. A policy under which some task
could never run is an error here, before the run.
"""

from __future__ import annotations

from dataclasses import replace

from cosim.design.design import Design
from cosim.design.power import (
    AJ_PER_PJ,
    Battery,
    Capacitor,
    Ladder,
    Policy,
    RunningAverage,
    StateFactors,
    ThermalPid,
    TokenBucket,
)
from cosim.errors import CosimError
from cosim.mapping.program import (
    Component,
    Governing,
    Pool,
    PoolPhase,
    Program,
    StepKind,
    TaskInfo,
    Template,
)
from cosim.mapping.task_stream import template_counts
from cosim.timeline.causes import Cause
from cosim.units import format_energy, format_power, format_temperature, format_voltage

ACQUIRE, HOLD, MARK, SERVE = (
    int(kind) for kind in (StepKind.ACQUIRE, StepKind.HOLD, StepKind.MARK, StepKind.SERVE)
)

FACTOR_ONE = 1 << 16
"""Factors on power are fixed-point numbers (`cosim.machine.kernel.FACTOR_BITS`)."""

GOVERNOR = "governor"
UW = 1000.0
STORE_ROWS: dict[type, tuple[str, ...]] = {
    TokenBucket: ("refilling",),
    Capacitor: ("refilling", "standby", "checkpoint", "charging", "restore", "lost work"),
}
"""What the governor records of a store, by policy."""


def govern(program: Program, design: Design) -> Program:
    """The program under the design's power policy and thermal network; itself without either.

    Raises
    ------
    CosimError
        A policy under which a task could never run, or that could never let the machine rest.
    """
    policy, thermal = design.power.policy, design.thermal
    if policy is None and thermal is None:
        return program
    where = f"design '{design.name}', power.policy"
    efficiency = policy.regulator_efficiency if isinstance(policy, Capacitor) else 1.0
    inside = _accelerator_tasks(program)
    durations, powers = _needs(program, inside, efficiency)
    served = _served(program, inside, efficiency)
    stores = isinstance(policy, TokenBucket | Capacitor)
    needs = {
        number: served[number] or powers[number] * durations[number]
        for number in sorted(inside)
        if durations[number] or served[number]
    }
    static_mw = design.static_mw / efficiency
    reserve = 0
    if isinstance(policy, TokenBucket):
        _check_bucket(program, policy, needs, where)
    elif isinstance(policy, Capacitor):
        longest = max((durations[number] or _alone(program, number, design) for number in needs),
                      default=0)  # fmt: skip
        reserve = round(policy.checkpoint_aj / efficiency) + round(static_mw * UW) * longest
        _check_capacitor(program, policy, needs, reserve, where)
    elif policy is not None:
        _check_limits(design, policy, where)
    states = design.power.factors
    clocks = range(len(program.clock_periods_ps))
    lane = len(program.lanes)
    first = len(program.templates)
    lowered = (throttled_to(state) for state in states[1:])
    activities = (*STORE_ROWS.get(type(policy), ()), *lowered)
    own = tuple(
        Template(
            ((HOLD, 0, 0, 0), (MARK, lane, 0, 0)),
            TaskInfo(-1, activity),
        )
        for activity in activities
    )
    templates, pools, energy_pool = program.templates, program.pools, None
    if stores:
        energy_pool = len(pools)
        pools = (*pools, _energy_pool(policy, reserve))
        templates = tuple(
            _with_energy(program, template, energy_pool, needs[number])
            if number in needs
            else template
            for number, template in enumerate(templates)
        )
    governing = Governing(
        component=len(program.components),
        lane=lane,
        rows={activity: first + place for place, activity in enumerate(activities)},
        states=states,
        periods_ps=tuple(
            tuple(_period(program, clock, state) for clock in clocks) for state in states
        ),
        factors=tuple(
            tuple(round(state.dynamic * FACTOR_ONE) if clock else FACTOR_ONE for clock in clocks)
            for state in states
        ),
        task_power_uw=(*powers, *(0 for _ in own)),
        static_mw=static_mw,
        policy=policy,
        thermal=thermal,
        energy_pool=energy_pool,
        reserve_aj=reserve,
        served_aj=(*served, *(0 for _ in own)) if any(served) else (),
    )
    _check_budget(program, governing, where)
    return replace(
        program,
        pools=pools,
        components=(
            *program.components,
            Component(GOVERNOR, GOVERNOR, (), True, Cause.THROTTLED),
        ),
        templates=(*templates, *own),
        lanes=(*program.lanes, GOVERNOR),
        governing=governing,
    )


def throttled_to(state: StateFactors) -> str:
    """Activity of the governor's intervals in a lowered state."""
    return f"throttled to {state.name}"


def _period(program: Program, clock: int, state: StateFactors) -> int:
    """Period of a clock in a state; the picosecond stays."""
    period = program.clock_periods_ps[clock]
    return max(1, round(period / state.frequency)) if clock else period


def _needs(program: Program, inside: set[int], efficiency: float) -> tuple[list[int], list[int]]:
    """Time until the first MARK, and power for that time in microwatts, of every template.

    Background components have no part of their own: what they spend is in the static power.
    """
    durations, powers = [], []
    for number, template in enumerate(program.templates):
        duration = 0
        for kind, a, b, _ in template.steps:
            if kind == MARK:
                break
            if kind == HOLD:
                duration += a * program.clock_periods_ps[b]
        power = 0
        if duration and number in inside:
            spent = sum(pj for component, _, pj in template.info.energy if component != "host")
            # 1 pJ in 1 ps is 1 W; and nothing runs on nothing
            power = max(1, round(spent * 1e6 / duration / efficiency))
        durations.append(duration)
        powers.append(power)
    return durations, powers


def _served(program: Program, inside: set[int], efficiency: float) -> list[int]:
    """Attojoules of every template whose first interval the DRAM channel serves; others are 0."""
    amounts = []
    for number, template in enumerate(program.templates):
        first = next((step[0] for step in template.steps if step[0] in (SERVE, HOLD, MARK)), MARK)
        amount = 0
        if first == SERVE and number in inside:
            spent = sum(pj for component, _, pj in template.info.energy if component != "host")
            amount = max(1, round(spent * AJ_PER_PJ / efficiency))
        amounts.append(amount)
    return amounts


def _alone(program: Program, number: int, design: Design) -> int:
    """How long a served transfer may take: at the sustained rate, shared with all who could ask."""
    info, dram = program.templates[number].info, design.dram
    moved = info.dram_read_bytes + info.dram_write_bytes
    alone = dram.latency_ps + round(moved * 1e12 / dram.sustained_bytes_per_s)
    return alone * (1 + 2 * len(design.dma))


def _accelerator_tasks(program: Program) -> set[int]:
    """Templates of the components inside the power domain."""
    found: set[int] = set()
    for component in program.components:
        if component.kind != "host" and not component.background:
            found |= template_counts(component.stream).keys()
    return found


def _with_energy(program: Program, template: Template, pool: int, amount: int) -> Template:
    """The template taking its energy before it asks for power, or else before its first HOLD or
    SERVE."""
    steps = template.steps
    for place, (kind, a, _, _) in enumerate(steps):
        asks = kind == ACQUIRE and program.pools[a].kind == "power"
        if asks or kind in (HOLD, SERVE):
            taken = (ACQUIRE, pool, amount, 0)
            return template._replace(steps=(*steps[:place], taken, *steps[place:]))
    return template


def _energy_pool(policy: Policy | None, reserve: int) -> Pool:
    if isinstance(policy, TokenBucket):
        return Pool("energy", 0, PoolPhase.POWER, Cause.THROTTLED, "energy", policy.burst_aj)
    assert isinstance(policy, Capacitor)
    most = policy.stored_aj(policy.full_v) - reserve
    return Pool("energy", 0, PoolPhase.POWER, Cause.THROTTLED, "energy", most)


# What could never run


def _describe(program: Program, number: int) -> str:
    info = program.templates[number].info
    layer = program.layers[info.op] if 0 <= info.op < len(program.layers) else "no layer"
    return f"a task of '{layer}' ({info.activity})"


def _energy(attojoules: float) -> str:
    return format_energy(attojoules / AJ_PER_PJ)


def _check_bucket(program: Program, policy: TokenBucket, needs: dict[int, int], where: str) -> None:
    largest = max(needs, key=lambda number: needs[number], default=None)
    if largest is not None and needs[largest] > policy.burst_aj:
        raise CosimError(
            f"{_describe(program, largest)} needs {_energy(needs[largest])}, and the bucket holds "
            f"{_energy(policy.burst_aj)}: it could never run",
            where=f"{where}.burst",
            expected=f"at least {_energy(needs[largest])}, or smaller tiles",
        )


def _check_capacitor(
    program: Program, policy: Capacitor, needs: dict[int, int], reserve: int, where: str
) -> None:
    restore = round(policy.restore_aj / policy.regulator_efficiency)
    leak_mw = policy.on_v * policy.leakage_a * 1e3
    lost = round(leak_mw * UW * (policy.restore_ps + policy.period_ps))
    usable = policy.stored_aj(policy.on_v) - restore - reserve - lost
    largest = max(needs, key=lambda number: needs[number], default=None)
    need = needs[largest] if largest is not None else 0
    if need > usable:
        what = _describe(program, largest) if largest is not None else "a task"
        raise CosimError(
            f"{what} needs {_energy(need)}, and of what the capacitor holds at "
            f"{format_voltage(policy.on_v)} {_energy(max(0, usable))} remain after a restore and "
            f"the reserve of {_energy(reserve)} for a checkpoint and static power: "
            "it could never run",
            where=f"{where}.capacitance",
            expected="a larger capacitor, a higher `on` voltage or smaller tiles",
        )
    harvest_mw = policy.harvest_mw * policy.harvest_efficiency * policy.harvest_duty
    if harvest_mw <= leak_mw:
        raise CosimError(
            f"the harvest brings {format_power(harvest_mw)} on average into a capacitor that "
            f"leaks {format_power(leak_mw)} at {format_voltage(policy.on_v)}: it never gets there",
            where=f"{where}.harvest",
            expected=f"more than {format_power(leak_mw)}",
        )


def _check_limits(design: Design, policy: Policy, where: str) -> None:
    """Raise where static power alone exceeds what a policy allows for ever."""
    slowest = design.power.factors[-1]
    static = design.static_mw * slowest.voltage
    thermal = design.thermal
    if isinstance(policy, RunningAverage) and static >= policy.limit_mw:
        raise CosimError(
            f"static power is {format_power(static)} in the slowest state, and the average may "
            f"be {format_power(policy.limit_mw)}: no task could ever run within it",
            where=f"{where}.limit",
            expected=f"more than {format_power(static)}",
        )
    if isinstance(policy, ThermalPid | Ladder) and thermal is not None:
        hot = thermal.ambient_k + static / 1000 * sum(r for r, _ in thermal.pairs)
        limit = policy.target_k if isinstance(policy, ThermalPid) else policy.trips_k[0]
        if hot >= limit:
            key = "target" if isinstance(policy, ThermalPid) else "trips"
            raise CosimError(
                f"static power alone heats the chip to {format_temperature(hot)}, "
                f"{format_temperature(limit)} or more: it would be throttled for ever",
                where=f"{where}.{key}",
                expected=f"more than {format_temperature(hot)}, or better cooling",
            )
    if isinstance(policy, Battery) and design.static_mw / 1000 > _battery_w(policy):
        raise CosimError(
            f"static power is {format_power(design.static_mw)}, and the battery can deliver "
            f"{format_power(1000 * _battery_w(policy))} when it is nearly empty",
            where=f"{where}.resistance",
            expected="a smaller resistance",
        )


def _battery_w(policy: Battery) -> float:
    """Largest power at the terminals of the nearly empty battery: V^2/4R."""
    if not policy.resistance_ohm:
        return float("inf")
    return policy.efficiency * policy.empty_v**2 / (4 * policy.resistance_ohm)


def _check_budget(program: Program, governing: Governing, where: str) -> None:
    """Raise where a state faster than the design's own needs more than the power budget holds."""
    power = next((i for i, pool in enumerate(program.pools) if pool.kind == "power"), None)
    if power is None:
        return
    capacity = program.pools[power].initial
    factor = max(max(factors) for factors in governing.factors) / FACTOR_ONE
    for number, template in enumerate(program.templates):
        asked = (n for kind, pool, n, _ in template.steps if kind == ACQUIRE and pool == power)
        amount = max(asked, default=0)
        if amount * factor > capacity:
            raise CosimError(
                f"{_describe(program, number)} draws {amount} mW, {amount * factor:.0f} mW in the "
                f"fastest state, and the power budget leaves {capacity} mW above static power: "
                "it could never run",
                where=where.replace("power.policy", "power.budget"),
                expected="a larger budget or a slower fastest state",
            )
