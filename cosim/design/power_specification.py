"""What a design file may say of power policies, operating states and heat.

``[power.policy]`` chooses with ``kind``; ``[power.states.NAME]`` are the states it may choose from;
``[thermal]`` says how the chip heats up. What is left out is taken from the catalogue and listed
with the results as assumed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from cosim import units
from cosim.design.quantity_field import Between
from cosim.design.specification_base import Power, Specification

Share = Annotated[float, Field(gt=0, le=1)]
Period = Annotated[int, Between(units.TIME, "1 ns", "100 ms")]
Window = Annotated[int, Between(units.TIME, "1 ns", "1 h")]
Delay = Annotated[int, Between(units.TIME, "0 s", "100 ms")]
Temperature = Annotated[float, Between(units.TEMPERATURE, "-100 °C", "300 °C")]
Difference = Annotated[float, Between(units.TEMPERATURE, "0 K", "100 K")]
Doubling = Annotated[float, Between(units.TEMPERATURE, "1 K", "1000 K")]
Voltage = Annotated[float, Between(units.VOLTAGE, "100 mV", "10 V")]
Frequency = Annotated[int, Between(units.FREQUENCY, "1 kHz", "10 GHz")]
SomePower = Annotated[float, Between(units.POWER, "1 nW", "10 kW")]
StoredEnergy = Annotated[float, Between(units.ENERGY, "1 pJ", "1 J")]
SmallEnergy = Annotated[float, Between(units.ENERGY, "0 pJ", "1 J")]


class StateSpec(Specification):
    frequency: Frequency
    """Of the array's clock; the other clocks change in proportion."""
    voltage: Voltage | None = None
    """Supply; left out in all states, it does not change."""


class RunningAverageSpec(Specification):
    kind: Literal["running-average"]
    limit: SomePower
    """What the average over the long window may be."""
    window: Window | None = None
    """Time constant of the long average."""
    short_limit: SomePower | None = None
    """What the average over the short window may be."""
    short_window: Window | None = None
    """Time constant of the short average."""
    period: Period | None = None
    """Time between decisions; a tenth of the short window if left out."""


class ThermalPidSpec(Specification):
    kind: Literal["thermal-pid"]
    target: Temperature
    """Temperature that the governor keeps."""
    switch_on: Temperature
    """Temperature from which on it is awake."""
    sustainable: SomePower
    """Power that keeps the target temperature for ever."""
    period: Period | None = None
    """Time between decisions."""


class LadderSpec(Specification):
    kind: Literal["ladder"]
    trips: list[Temperature] = Field(min_length=1)
    """Rising temperatures, one state down at each."""
    hysteresis: Difference | None = None
    """How far below a trip point the state goes up again."""
    period: Period | None = None
    """Time between decisions."""


class TokenBucketSpec(Specification):
    kind: Literal["token-bucket"]
    rate: SomePower
    """Power at which energy for tasks trickles in."""
    burst: StoredEnergy
    """Energy that may be saved up."""
    period: Period = 1_000_000_000
    """Time between samples of the level."""


class CapacitorSpec(Specification):
    kind: Literal["capacitor"]
    capacitance: Annotated[float, Between(units.CAPACITANCE, "1 pF", "10 mF")]
    on: Voltage | None = None
    """Voltage at which the machine starts and restores."""
    off: Voltage | None = None
    """Lowest usable voltage."""
    full: Voltage | None = None
    """Voltage above which what is harvested is lost."""
    initial: Voltage | None = None
    """Voltage at the start of the run; `on` if left out."""
    harvest: Power
    """Power of the source while it delivers."""
    harvest_period: Window = 1_000_000_000_000
    """Period of the source."""
    harvest_duty: Share = 1.0
    """Share of its period for which it delivers."""
    harvest_efficiency: Share | None = None
    regulator_efficiency: Share | None = None
    leakage: Annotated[float, Between(units.CURRENT, "0 A", "1 A")] = 0.0
    """Leakage current of the capacitor."""
    brown_out: Literal["foreseen", "sudden"] = "foreseen"
    """``foreseen``: a task begins where its whole energy is there, and the machine checkpoints
    before it goes off. ``sudden``: a task begins whatever is there; one that it does not last for
    is lost and begins anew after the restore. Finished tasks are never lost."""
    checkpoint_energy: SmallEnergy = 0.0
    """Energy to save the machine's state, static power included."""
    checkpoint_time: Delay = 0
    restore_energy: SmallEnergy = 0.0
    """Energy to bring it back."""
    restore_time: Delay = 0
    period: Period = 1_000_000_000
    """Time between samples; the leakage is taken at the voltage at their beginning."""


class BatterySpec(Specification):
    kind: Literal["battery"]
    capacity: Annotated[float, Between(units.ENERGY, "1 nJ", "1000 kJ")]
    """Energy of the full battery."""
    charge: Share = 1.0
    """Share of it that is there at the start."""
    full: Voltage | None = None
    """Open-circuit voltage of the full battery."""
    empty: Voltage | None = None
    """Open-circuit voltage of the empty one."""
    resistance: Annotated[float | None, Between(units.RESISTANCE, "0 Ohm", "100 Ohm")] = None
    efficiency: Share | None = None
    """Of the regulator behind the battery."""
    saver_below: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the charge below which the slowest state is used."""
    period: Period = 10_000_000_000
    """Time between samples."""


def _kind(table: Any) -> str:
    return str(table.get("kind", "")) if isinstance(table, dict) else str(table.kind)


PolicySpec = Annotated[
    Annotated[RunningAverageSpec, Tag("running-average")]
    | Annotated[ThermalPidSpec, Tag("thermal-pid")]
    | Annotated[LadderSpec, Tag("ladder")]
    | Annotated[TokenBucketSpec, Tag("token-bucket")]
    | Annotated[CapacitorSpec, Tag("capacitor")]
    | Annotated[BatterySpec, Tag("battery")],
    Discriminator(_kind),
]


class ThermalPairSpec(Specification):
    kelvin_per_watt: float = Field(gt=0, le=1e6)
    joule_per_kelvin: float = Field(gt=0, le=1e6)


class ThermalSpec(Specification):
    cooling: Literal["bare", "heatsink", "fan"] | None = None
    """Class whose thermal pairs are taken; `bare` if neither this nor pairs are given."""
    pairs: list[ThermalPairSpec] | None = Field(default=None, min_length=1)
    """Foster pairs from junction to ambient, instead of a class."""
    ambient: Temperature | None = None
    initial: Temperature | None = None
    """Junction at the start of the run; the ambient temperature if left out."""
    leakage_share: Annotated[float | None, Field(ge=0, le=1)] = None
    """Share of the static power that grows with temperature."""
    leakage_reference: Temperature | None = None
    """Temperature at which the static power is stated."""
    leakage_doubling: Doubling | None = None
    """Rise of temperature that doubles the leakage."""
    period: Period = 1_000_000_000
    """Time between samples where no policy says another."""
