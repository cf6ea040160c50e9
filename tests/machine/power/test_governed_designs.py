"""Whole designs under each policy: what it promises is kept, what could never run is said before.

A network of two convolutions and two products on a board of the catalogue.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from cosim import design
from cosim.analysis.summary import Analysis, analyse, summarise
from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.explore.columns import usual
from cosim.machine.program_file import program_from_data, program_to_data
from cosim.mapping.mapping import map_workload
from cosim.simulate import Simulation, simulate
from cosim.timeline.causes import Cause
from cosim.workload.workload import Workload
from tests.mapping.examples import Builder

STATES = {
    "full": {"frequency": "500 MHz", "voltage": "0.9 V"},
    "half": {"frequency": "250 MHz", "voltage": "0.8 V"},
    "slow": {"frequency": "50 MHz", "voltage": "0.7 V"},
}
SMALL = {"pairs": [{"kelvin_per_watt": 20.0, "joule_per_kelvin": 2e-6}], "period": "1 us"}
"""A bare die: it heats up within a run."""

POLICIES: dict[str, dict[str, object]] = {
    "none": {"thermal": SMALL},
    "running-average": {
        "power.policy": {
            "kind": "running-average", "limit": "70 mW", "window": "20 us", "short_window": "5 us",
        },
        "power.states": STATES,
    },
    "thermal-pid": {
        "power.policy": {
            "kind": "thermal-pid", "target": "26.1 °C", "switch_on": "25.8 °C",
            "sustainable": "60 mW", "period": "2 us",
        },
        "power.states": STATES,
        "thermal": SMALL,
    },
    "ladder": {
        "power.policy": {
            "kind": "ladder", "trips": ["26.1 °C", "26.3 °C"], "hysteresis": "0.1 K",
            "period": "2 us",
        },
        "thermal": SMALL,
    },
    "token-bucket": {
        "power.policy": {
            "kind": "token-bucket", "rate": "20 mW", "burst": "500 nJ", "period": "10 us",
        },
    },
    "capacitor": {
        "power.policy": {
            "kind": "capacitor", "capacitance": "600 nF", "harvest": "40 mW",
            "harvest_period": "50 us", "harvest_duty": 0.5, "leakage": "1 uA",
            "checkpoint_energy": "50 nJ", "checkpoint_time": "2 us", "restore_energy": "20 nJ",
            "restore_time": "1 us", "period": "5 us",
        },
    },
    "battery": {
        "power.policy": {
            "kind": "battery", "capacity": "1 mJ", "charge": 0.202, "saver_below": 0.2,
            "period": "2 us",
        },
        "power.states": STATES,
    },
}  # fmt: skip


@cache
def network() -> Workload:
    build = Builder()
    x = build.relu(build.conv(build.input(1, 8, 24, 24), 16, padding=1))
    build.relu(build.conv(x, 24, padding=1))
    return build.build()


def board(policy: str, **more: object) -> Design:
    return design.load("edge-asic-16x16", {**POLICIES[policy], **more})


@cache
def done(policy: str) -> Simulation:
    return simulate(network(), board(policy))


def analysis(policy: str) -> Analysis:
    run = done(policy)
    return analyse(run.program, run.design, run.result.timeline, run.result.makespan_ps)


def joules(policy: str) -> dict[str, float]:
    log = done(policy).result.governor
    assert log is not None
    return {name: amount / 1e18 for name, amount in log.totals.items()}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_breakdown_sums_to_the_latency(policy: str) -> None:
    assert analysis(policy).breakdown.total_ps == done(policy).result.makespan_ps


@pytest.mark.parametrize("policy", POLICIES)
def test_energy_of_the_analysis_is_what_the_policy_counted(policy: str) -> None:
    """By component and layer from the timeline; exact integers of the governor on the other side.

    Powers are rounded to a microwatt a task.
    """
    spent = analysis(policy).energy.by_component
    counted = joules(policy)
    supplied = sum(counted.get(name, 0.0) for name in ("checkpoints", "restores", "lost work"))
    inside = sum(energy for name, energy in spent.items() if name != "host") / 1e12
    assert inside == pytest.approx(counted["tasks"] + counted["static"] + supplied, rel=1e-4)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_sweep_and_a_run_report_the_same_energy_and_power(policy: str) -> None:
    run = done(policy)
    columns = usual(map_workload(network(), run.design), run.result)
    summary = summarise(analysis(policy))
    assert columns["energy_j"] == pytest.approx(summary["energy_j"], rel=1e-12)
    assert columns["average_power_w"] == pytest.approx(summary["average_power_w"], rel=1e-12)


def test_the_mean_power_is_no_more_than_the_peak() -> None:
    """Leakage that has risen with the temperature is in both."""
    hot = {**SMALL, "initial": "110 °C", "ambient": "90 °C", "leakage_share": 1.0}
    most = {}
    for thermal in (None, hot):
        more = {"thermal": thermal, "power.static": "60 mW"} if thermal else {}
        design_ = design.load("edge-asic-16x16", {"power.static": "60 mW", **more})
        run = simulate(network(), design_)
        summary = summarise(
            analyse(run.program, run.design, run.result.timeline, run.result.makespan_ps)
        )
        assert summary["average_power_w"] <= summary["peak_power_w"]
        most[thermal is None] = summary["peak_power_w"]
    assert most[False] > most[True]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_shows_as_its_cause(policy: str) -> None:
    throttled = analysis(policy).breakdown.by_cause.get("throttled", 0)
    assert (throttled > 0) == (policy != "none")
    rows = done(policy).result.timeline.rows()
    waits = bool((rows.cause == Cause.THROTTLED).any())
    assert waits == (policy in ("token-bucket", "capacitor"))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_governed_program_reads_back_from_its_file(policy: str) -> None:
    program = done(policy).program
    again = program_from_data(program_to_data(program))
    assert again.governing == program.governing
    assert again == program


@pytest.mark.parametrize("policy", POLICIES)
def test_the_samples_become_counters_of_the_run(policy: str) -> None:
    found = {counter.name: counter for counter in analysis(policy).sampled}
    for counter in found.values():
        assert counter.times[0] == 0
        assert (np.diff(counter.times) > 0).all()
    counted = joules(policy)
    average = found["sampled power"].mean
    # milliwatts times picoseconds is 1e-15 J
    energy = average * done(policy).result.makespan_ps * 1e-15
    assert energy == pytest.approx(counted["tasks"] + counted["static"], rel=1e-6)
    assert ("temperature" in found) == (done(policy).design.thermal is not None)


def test_throttled_clocks_keep_the_temperature_down() -> None:
    free = summarise(analysis("none"))["power_policy"]["temperature_c"]["highest"]
    for policy in ("thermal-pid", "ladder"):
        kept = summarise(analysis(policy))["power_policy"]["temperature_c"]["highest"]
        assert kept < free
        assert done(policy).result.makespan_ps > done("none").result.makespan_ps


def test_the_running_average_keeps_its_limit() -> None:
    log = done("running-average").result.governor
    assert log is not None
    long = log.samples["long average (mW)"]
    free = summarise(analysis("none"))["peak_power_w"] * 1e3
    # one period of a window's fortieth at full power
    assert max(long) <= 70.0 + (free - 70.0) / 40


def test_a_capacitor_loses_nothing_unsaid() -> None:
    run = done("capacitor")
    assert run.result.governor is not None
    flows = run.result.governor.totals
    gone = (
        "tasks", "static", "leaked", "checkpoints", "restores", "lost work", "spilled",
        "stored",
    )  # fmt: skip
    assert flows["initial"] + flows["harvested"] == sum(flows[name] for name in gone)
    facts = run.result.governor.facts
    assert facts["power cycles"] >= 2
    phases = ("on", "checkpoint", "charging", "restore")
    total = sum(facts[f"time {name} (s)"] for name in phases)
    assert total == pytest.approx(run.result.makespan_ps * 1e-12)
    voltages = run.result.governor.samples["capacitor voltage (V)"]
    policy = run.design.power.policy
    assert policy is not None
    assert policy.off_v <= min(voltages) <= max(voltages) <= policy.full_v + 1e-9


def test_more_tokens_never_hold_back_longer() -> None:
    held = []
    for rate in ("10 mW", "20 mW", "40 mW", "80 mW", "1 W"):
        run = simulate(network(), board("token-bucket", **{"power.policy.rate": rate}))
        rows = run.result.timeline.rows()
        governor = run.program.governing
        assert governor is not None
        held.append(int(rows.duration[rows.component == governor.component].sum()))
    assert held == sorted(held, reverse=True)
    assert held[0] > held[-1] == 0


@pytest.mark.parametrize("policy", ["token-bucket", "capacitor"])
def test_stored_energy_is_why_nothing_is_skipped(policy: str) -> None:
    assert done(policy).result.tasks_skipped == 0
    assert "stored energy" in done(policy).result.why_not_skipped


@pytest.mark.parametrize(
    ("policy", "changes", "message"),
    [
        ("token-bucket", {"power.policy.burst": "1 nJ"}, "and the bucket holds 1 nJ"),
        ("capacitor", {"power.policy.capacitance": "10 nF"}, "could never run"),
        ("capacitor", {"power.policy.harvest": "1 uW"}, "it never gets there"),
        ("running-average", {"power.policy.limit": "5 mW"}, "static power is"),
        ("ladder", {"power.policy.trips": ["25.1 °C"]}, "throttled for ever"),
    ],
)
def test_what_could_never_run_is_said_before_the_run(policy, changes, message) -> None:
    with pytest.raises(CosimError, match=message):
        map_workload(network(), board(policy, **changes))


def test_an_empty_battery_ends_the_run() -> None:
    with pytest.raises(CosimError, match="battery is empty at"):
        simulate(network(), board("battery", **{"power.policy.capacity": "5 uJ"}))


def test_a_harvest_below_a_microwatt_is_no_endless_run() -> None:
    """Powers are whole microwatts: this one charges nothing."""
    dark = {"power.policy.harvest": "400 nW", "power.policy.leakage": "0 A"}
    with pytest.raises(CosimError, match="no longer charges"):
        simulate(network(), board("capacitor", **dark))
