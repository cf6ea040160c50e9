"""Brown-outs that nobody foresees: what was begun is lost, and done again."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from cosim import design
from cosim.analysis.summary import analyse, summarise
from cosim.errors import CosimError, CosimErrors
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload
from cosim.simulate import Simulation, simulate
from cosim.timeline.causes import Cause
from tests.machine.power.test_governed_designs import network

USUAL: dict[str, object] = {
    "kind": "capacitor", "capacitance": "600 nF", "harvest": "40 mW", "harvest_period": "50 us",
    "harvest_duty": 0.5, "leakage": "1 uA", "restore_energy": "20 nJ", "restore_time": "1 us",
    "period": "5 us",
}  # fmt: skip


def board(brown_out: str, **changes: object) -> design.Design:
    policy = {**USUAL, "brown_out": brown_out, **changes}
    return design.load("edge-asic-16x16", {"power.policy": policy})


@cache
def done(brown_out: str, capacitance: str = "600 nF") -> Simulation:
    return simulate(network(), board(brown_out, capacitance=capacitance))


def tasks(simulation: Simulation) -> Counter[int]:
    """Intervals of every template that is not the governor's."""
    rows = simulation.result.timeline.rows()
    governor = len(simulation.program.components) - 1
    return Counter(rows.template[rows.component != governor].tolist())


def lost(simulation: Simulation):
    rows = simulation.result.timeline.rows()
    governing = simulation.program.governing
    assert governing is not None
    return rows.select(np.flatnonzero(rows.template == governing.rows["lost work"]))


def test_lost_work_is_done_again_and_nothing_else_changes() -> None:
    """Every task ends once in both machines; the one that loses work takes no less energy."""
    foreseen, sudden = done("foreseen"), done("sudden")
    assert tasks(foreseen) == tasks(sudden)
    assert len(lost(sudden)) >= 2
    assert len(lost(foreseen)) == 0
    totals = [done(kind).result.governor.totals for kind in ("foreseen", "sudden")]
    assert totals[0]["tasks"] == totals[1]["tasks"]
    assert totals[0]["lost work"] == 0 < totals[1]["lost work"]
    assert sum(totals[1][k] for k in ("initial", "harvested")) > sum(
        totals[0][k] for k in ("initial", "harvested")
    )


def test_a_lost_task_is_the_next_that_begins_and_waits_for_the_restore() -> None:
    sudden = done("sudden")
    rows = sudden.result.timeline.rows()
    governor = len(sudden.program.components) - 1
    restored = {int(row) for row in np.flatnonzero(rows.component == governor)}
    begun = [
        i
        for i in np.flatnonzero(rows.cause == Cause.THROTTLED)
        if int(rows.cause_row[i]) in restored
    ]
    for end in lost(sudden).end.tolist():
        assert any(rows.start[i] > end for i in begun)


def test_lost_energy_is_power_times_the_time_until_the_brown_out() -> None:
    """Between nothing and the whole of the most expensive task, each time."""
    sudden = done("sudden")
    governing = sudden.program.governing
    assert governing is not None
    rows, total = lost(sudden), sudden.result.governor.totals["lost work"]
    durations = (rows.end - rows.start).tolist()
    assert min(durations) > 0
    low, high = min(p for p in governing.task_power_uw if p), max(governing.task_power_uw)
    assert low * sum(durations) <= total <= high * sum(durations)


def test_without_brown_outs_it_makes_no_difference_who_foresees_them() -> None:
    """A capacitor that holds enough for the whole run."""
    large = [done(kind, "1 mF").result for kind in ("foreseen", "sudden")]
    assert [r.governor.facts["power cycles"] for r in large] == [0, 0]
    assert large[0].makespan_ps == large[1].makespan_ps
    assert large[1].governor.totals["lost work"] == 0


def test_what_waits_for_a_trickle_is_not_lost() -> None:
    """More comes in than the waiting machine draws, and a task needs little more than there is.

    It is begun when what is there and what comes in last to its end.
    """
    rich = simulate(network(), board("sudden", harvest="2 W", harvest_duty=1.0))
    assert tasks(rich) == tasks(done("sudden"))
    totals = rich.result.governor.totals
    assert totals["lost work"] <= done("sudden").result.governor.totals["lost work"]


def test_what_is_stored_and_comes_and_goes_is_used_up_when_power_fails() -> None:
    """Then nothing is left but the reserve, whether the sun was in or out when the task began."""
    changes = {"harvest": "200 mW", "harvest_period": "1 us", "period": "300 ns"}
    flicker = simulate(network(), board("sudden", **changes))
    assert tasks(flicker) == tasks(done("sudden"))
    assert (lost(flicker).end - lost(flicker).start).max() > 3_000_000
    governing = flicker.program.governing
    voltages = flicker.result.governor.samples["capacitor voltage (V)"]
    left = (
        0.5e18 * governing.policy.capacitance_f * (min(voltages) ** 2 - governing.policy.off_v**2)
    )
    assert left == pytest.approx(governing.reserve_aj, rel=0.001)


@pytest.mark.parametrize("brown_out", ["foreseen", "sudden"])
def test_all_executors_lose_the_same(brown_out: str) -> None:
    program = map_workload(network(), board(brown_out)).program
    slow, fast = (run(program, executor=name) for name in ("simpy", "python"))
    assert slow.governor.totals == fast.governor.totals
    assert slow.governor.facts == fast.governor.facts
    one, two = slow.timeline.rows(), fast.timeline.rows()
    for name in ("template", "start", "end", "cause", "cause_row"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_lost_work_has_its_share_of_time_and_energy() -> None:
    sudden = done("sudden")
    found = analyse(
        sudden.program, sudden.design, sudden.result.timeline, sudden.result.makespan_ps
    )
    assert found.energy.by_role["lost work"] == pytest.approx(
        sudden.result.governor.totals["lost work"] / 1e6
    )
    assert found.breakdown.total_ps == sudden.result.makespan_ps
    assert summarise(found)["power_policy"]["time lost work (s)"] > 0


def test_a_tile_that_a_full_capacitor_does_not_last_for_is_refused() -> None:
    with pytest.raises(CosimError, match="it could never run") as error:
        map_workload(network(), board("sudden", capacitance="60 nF"))
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_nobody_foresees_is_refused() -> None:
    message = "a checkpoint before a brown-out that nobody foresees; expected brown_out"
    with pytest.raises(CosimErrors, match=re.escape(message)):
        board("sudden", checkpoint_energy="1 nJ")
