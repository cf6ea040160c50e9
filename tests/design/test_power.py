"""Power policies in design files: defaults with their sources, mistakes with their places."""

from __future__ import annotations

import pytest

from cosim import design
from cosim.design.power import Capacitor, Ladder, RunningAverage
from cosim.design.schema import design_schema
from cosim.errors import CosimError

STATES = {"full": {"frequency": "500 MHz"}, "half": {"frequency": "250 MHz"}}


def load(**changes: object) -> design.Design:
    return design.load("edge-asic-16x16", {k.replace("__", "."): v for k, v in changes.items()})


def test_what_is_left_out_is_listed_as_assumed() -> None:
    loaded = load(power__policy={"kind": "running-average", "limit": "50 mW"}, power__states=STATES)
    policy = loaded.power.policy
    assert policy == RunningAverage(50.0, 10**12, 62.5, 10**10, 10**9)
    assert any("running-average-window" in line for line in loaded.assumptions)
    assert [state.dynamic for state in loaded.power.factors] == [1.0, 0.5]


def test_a_ladder_without_states_halves_the_clock() -> None:
    loaded = load(
        power__policy={"kind": "ladder", "trips": ["80 °C", "85 °C"]},
        thermal={"cooling": "heatsink"},
    )
    assert isinstance(loaded.power.policy, Ladder)
    assert [state.frequency_hz for state in loaded.power.states] == [500e6, 250e6, 125e6]
    assert loaded.thermal is not None
    assert sum(r for r, _ in loaded.thermal.pairs) == 14.0


def test_stored_energy_counts_from_the_lowest_usable_voltage() -> None:
    loaded = load(power__policy={"kind": "capacitor", "capacitance": "470 uF", "harvest": "5 mW"})
    policy = loaded.power.policy
    assert isinstance(policy, Capacitor)
    assert policy.stored_aj(policy.off_v) == 0
    assert policy.stored_aj(2.8) / 1e18 == pytest.approx(470e-6 / 2 * (2.8**2 - 1.8**2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"power__policy": {"kind": "capacitr"}}, "did you mean 'capacitor'"),
        ({"power__policy": {"kind": "ladder", "trips": ["80 °C"]}}, "there is none"),
        ({"power__policy": {"kind": "ladder", "trips": []}}, "trips is empty"),
        (
            {"power__policy": {"kind": "running-average", "limit": "1 W", "windw": "1 s"}},
            "did you mean 'window'",
        ),
        ({"power__policy": {"kind": "running-average", "limit": "1 W"}}, "no states"),
        ({"power__states": STATES}, "no policy chooses"),
        (
            {
                "power__policy": {"kind": "running-average", "limit": "1 W"},
                "power__states": {"a": {"frequency": "400 MHz"}, "b": {"frequency": "1 MHz"}},
            },
            "array's clock frequency, 500 MHz",
        ),
        (
            {
                "power__policy": {
                    "kind": "capacitor", "capacitance": "1 mF", "harvest": "1 W", "on": "1.5 V",
                }
            },
            "off < on",
        ),
        ({"thermal": {"coolng": "fan"}}, "did you mean 'cooling'"),
        ({"thermal": {"cooling": "fn"}}, "did you mean 'fan'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(changes, message) -> None:
    with pytest.raises(CosimError, match=message) as error:
        load(**changes)
    assert len(str(error.value).splitlines()) == 1


def test_the_schema_knows_the_policies() -> None:
    definitions = design_schema()["$defs"]
    assert {"CapacitorSpec", "LadderSpec", "ThermalSpec", "StateSpec"} <= set(definitions)
