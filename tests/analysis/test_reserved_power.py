"""The power that a budget has granted lies between what is drawn and the budget."""

from __future__ import annotations

import numpy as np
import pytest

import cosim.design as designs
from cosim.analysis.summary import Analysis, analyse
from cosim.machine.execute import run as execute
from cosim.mapping.mapping import map_workload


def analysis_of(budget: str | None, fast_forward: bool = True) -> Analysis:
    pytest.importorskip("torch")
    from cosim.workload.networks import load_or_capture

    workload = load_or_capture("mlp", {}, mode="training", batch=16, optimizer="sgd")
    design = designs.load("ultra96", {"power.budget": budget} if budget else {})
    mapping = map_workload(workload, design)
    result = execute(mapping.program, fast_forward=fast_forward)
    return analyse(mapping.program, design, result.timeline, result.makespan_ps)


@pytest.mark.parametrize("budget", ["1 W", "1.6 W"])
@pytest.mark.parametrize("fast_forward", [True, False])
def test_reserved_power_covers_what_is_drawn_and_keeps_the_budget(budget, fast_forward):
    found = analysis_of(budget, fast_forward)
    reserved, drawn = found.reserved_power, found.power
    assert reserved is not None
    times = np.sort(np.random.default_rng(3).integers(0, found.makespan_ps, 5000))
    assert (reserved.at(times) >= drawn.at(times) - 1e-6).all()
    assert reserved.peak <= found.design.power.budget_mw
    # whole milliwatts over static power, which the pool does not hold
    whole = reserved.at(times) - found.program.static_mw
    assert whole == pytest.approx(np.rint(whole), abs=1e-6)


def test_nothing_stays_reserved_when_all_is_done():
    found = analysis_of("1 W")
    assert found.reserved_power is not None
    assert float(found.reserved_power.at(found.makespan_ps)) == found.program.static_mw


def test_without_a_budget_nothing_is_reserved():
    assert analysis_of(None).reserved_power is None
