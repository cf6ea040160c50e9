"""Temperature: exact, bounded by the steady state, and leakage that feeds back."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design import catalogue
from cosim.design.power import ThermalNetwork
from cosim.machine.power.thermal import ThermalModel, static_factor, steady_with_leakage_k

NETWORK = ThermalNetwork(
    catalogue.thermal_class("bare").pairs, 298.15, 298.15, 0.5, 298.15, 25.0, 10**9
)


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(1e-6, 1000)), min_size=1, max_size=20))
def test_temperature_stays_between_ambient_and_the_hottest_steady_state(phases) -> None:
    model = ThermalModel(NETWORK)
    hottest = model.steady_k(max(power for power, _ in phases))
    for power, seconds in phases:
        model.advance(power, seconds)
        assert NETWORK.ambient_k - 1e-9 <= model.temperature_k <= hottest + 1e-9


@given(st.floats(0.01, 20), st.floats(298.15, 400))
def test_constant_power_leads_to_the_steady_state_from_anywhere(power, initial) -> None:
    model = ThermalModel(replace(NETWORK, initial_k=initial))
    steady = model.steady_k(power)
    for _ in range(5):
        model.advance(power, 1e4)
    assert model.temperature_k == pytest.approx(steady, abs=1e-6)


def test_one_exact_update_equals_a_fine_integration() -> None:
    model, fine = ThermalModel(NETWORK), [0.0, 0.0]
    model.advance(2.5, 0.7)
    steps = 200_000
    for _ in range(steps):  # C dx/dt = P - x/R, by small steps
        fine = [
            x + (2.5 - x / r) / c * 0.7 / steps
            for x, (r, c) in zip(fine, NETWORK.pairs, strict=True)
        ]
    assert model.temperature_k == pytest.approx(NETWORK.ambient_k + sum(fine), abs=1e-4)


@given(st.floats(0, 10), st.floats(1e-6, 100), st.integers(2, 20))
def test_an_interval_in_pieces_is_the_same_interval(power, seconds, pieces) -> None:
    whole, parts = ThermalModel(NETWORK), ThermalModel(NETWORK)
    whole.advance(power, seconds)
    for _ in range(pieces):
        parts.advance(power, seconds / pieces)
    assert parts.temperature_k == pytest.approx(whole.temperature_k, rel=1e-9)


def test_leakage_doubles_where_it_should_and_may_run_away() -> None:
    assert static_factor(NETWORK, NETWORK.leakage_reference_k) == 1.0
    rise = NETWORK.leakage_reference_k + NETWORK.leakage_doubling_k
    assert static_factor(NETWORK, rise) == pytest.approx(1.5)  # half of it is leakage
    mild = steady_with_leakage_k(NETWORK, 0.5, 0.1)
    assert ThermalModel(NETWORK).steady_k(0.6) < mild < inf
    assert steady_with_leakage_k(NETWORK, 2.0, 2.0) == inf


def test_the_machine_s_loop_settles_where_heating_and_cooling_balance() -> None:
    model = ThermalModel(NETWORK)
    for _ in range(4000):
        model.advance(0.5 + 0.1 * model.static_factor(), 1.0)
    assert model.temperature_k == pytest.approx(steady_with_leakage_k(NETWORK, 0.5, 0.1), abs=1e-3)
