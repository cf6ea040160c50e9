"""Policies that choose an operating state, driven by hand: no machine needed."""

from __future__ import annotations

from itertools import pairwise
from math import expm1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design.power import Battery, Ladder, RunningAverage, StateFactors, ThermalPid
from cosim.machine.power.battery import BatteryPolicy
from cosim.machine.power.ladder import LadderPolicy
from cosim.machine.power.running_average import RunningAveragePolicy
from cosim.machine.power.states import Reading
from cosim.machine.power.thermal_pid import ThermalPidPolicy

MS = 10**9
STATES = (
    StateFactors("full"),
    StateFactors("half", 0.5, 0.9),
    StateFactors("slow", 0.1, 0.8),
)


def reading(
    state: int = 0, dynamic: float = 0.0, static: float = 10.0, kelvin: float = 300.0
) -> Reading:
    return Reading(MS, MS, dynamic, static, kelvin, state)


@given(st.lists(st.floats(0, 3000), min_size=1, max_size=300), st.floats(210, 2000))
def test_the_long_average_exceeds_its_limit_by_less_than_one_period_s_worth(load, limit) -> None:
    """`load` is what the tasks would draw at full clock; the slowest state can always keep to it.

    The stated bound: one period at full power, (P - limit) (1 - exp(-dt/tau)).
    """
    policy = RunningAveragePolicy(RunningAverage(limit, 50 * MS, 1.25 * limit, 10 * MS, MS))
    state, static = 0, 10.0
    bound = (max(load) + static - limit) * -expm1(-1 / 50)
    for dynamic in load:
        power = STATES[state].dynamic * dynamic
        state = policy.decide(reading(state, power, static * STATES[state].voltage), STATES)
        assert policy.averages_mw[0] <= limit + max(0.0, bound) + 1e-9


def test_a_steady_load_is_held_at_the_limit_and_a_light_one_is_left_alone() -> None:
    policy = RunningAveragePolicy(RunningAverage(500.0, 20 * MS, 625.0, 5 * MS, MS))
    state, spent = 0, []
    for _ in range(400):
        power = STATES[state].dynamic * 1000.0
        spent.append(power + 10.0)
        state = policy.decide(reading(state, power, 10.0 * STATES[state].voltage), STATES)
    # the average uses the budget: the policy does not sit in a state that is slower than needed
    assert 400.0 < sum(spent[100:]) / 300 <= 510.0
    light = RunningAveragePolicy(RunningAverage(500.0, 20 * MS, 625.0, 5 * MS, MS))
    assert all(light.decide(reading(0, 300.0), STATES) == 0 for _ in range(100))


def test_it_goes_up_one_state_at_a_time() -> None:
    policy = RunningAveragePolicy(RunningAverage(500.0, 20 * MS, 625.0, 5 * MS, MS))
    assert policy.decide(reading(2, 1.0), STATES) == 1


PID = ThermalPid(350.0, 340.0, 1000.0, MS)


def test_the_allocator_sleeps_below_its_switch_on_temperature() -> None:
    policy = ThermalPidPolicy(PID)
    assert policy.decide(reading(0, 9000.0, kelvin=339.9), STATES) == 0


@pytest.mark.parametrize(("kelvin", "granted"), [(340.0, 3000.0), (350.0, 1000.0), (345.0, 2000.0)])
def test_it_grants_thrice_the_sustainable_power_at_first_and_the_power_itself_at_the_target(
    kelvin, granted
) -> None:
    policy = ThermalPidPolicy(PID)
    policy.decide(reading(0, 9000.0, kelvin=kelvin), STATES)
    assert policy.granted_mw == pytest.approx(granted)


def test_too_hot_for_long_is_granted_less_and_less() -> None:
    policy = ThermalPidPolicy(PID)
    grants = []
    for _ in range(20):
        policy.decide(reading(0, 9000.0, kelvin=351.0), STATES)
        grants.append(policy.granted_mw)
    assert all(later < earlier for earlier, later in pairwise(grants))
    assert grants[0] < 1000.0


@given(st.lists(st.floats(290, 340), max_size=60))
def test_a_ladder_moves_by_one_and_never_chatters_within_its_hysteresis(kelvins) -> None:
    trips = (310.0, 320.0)
    policy = LadderPolicy(Ladder(trips, 3.0, MS))
    for kelvin in kelvins:
        before = policy.level
        state = policy.decide(reading(kelvin=kelvin), STATES)
        assert abs(policy.level - before) <= 1
        assert state == policy.level
        if policy.level > before:
            assert kelvin > trips[before]
        elif policy.level < before:
            assert kelvin < trips[before - 1] - 3.0


def test_more_trip_points_than_states_stay_in_the_slowest() -> None:
    policy = LadderPolicy(Ladder((300.0, 301.0, 302.0), 1.0, MS))
    assert [policy.decide(reading(kelvin=320.0), STATES[:2]) for _ in range(4)] == [1, 1, 1, 1]


@given(st.lists(st.floats(0, 3000), min_size=1, max_size=50))
def test_what_left_the_battery_is_what_was_used_and_what_was_lost(loads) -> None:
    battery = Battery(10.0, 0.9, 4.2, 3.3, 0.1, 0.9, 0.2, MS)
    policy = BatteryPolicy(battery)
    for load in loads:
        policy.decide(reading(0, load), STATES)
        assert policy.voltage_v <= policy.open_v + 1e-9
    assert 10.0 * 0.9 - policy.energy_j == pytest.approx(policy.used_j + policy.lost_j)
    assert policy.used_j == pytest.approx(sum(load + 10.0 for load in loads) * 1e-6)
    assert policy.lost_j >= policy.used_j * (1 / 0.9 - 1) - 1e-12


def test_a_low_battery_saves() -> None:
    policy = BatteryPolicy(Battery(1e-3, 0.215, 4.2, 3.3, 0.0, 1.0, 0.2, MS))
    assert policy.decide(reading(0, 1.0), STATES) == 0
    assert policy.decide(reading(0, 10.0), STATES) == 2
    while not policy.is_empty:
        policy.decide(reading(0, 30.0), STATES)
