"""Power policies, operating states and the thermal network of a design: plain data.

What the policies do with it is in `cosim.machine.power`. Units: milliwatts, picoseconds, kelvin,
volts, attojoules (1 aJ is what 1 uW spends in 1 ps), so that energies add up as integers.
"""

from __future__ import annotations

from dataclasses import dataclass

AJ_PER_PJ = 1_000_000


@dataclass(frozen=True)
class OperatingState:
    """A frequency of the array's clock with the voltage that it needs.

    The other clocks of the design change in the same proportion. A task's dynamic power goes with
    V^2 f, its energy with V^2; static power goes with V.
    """

    name: str
    frequency_hz: int
    voltage_v: float


@dataclass(frozen=True)
class StateFactors:
    """An operating state relative to the one that the design's constants hold for."""

    name: str
    frequency: float = 1.0
    voltage: float = 1.0

    @property
    def dynamic(self) -> float:
        """Factor on the power of what switches: V^2 f."""
        return self.voltage**2 * self.frequency

    def power_mw(self, dynamic_mw: float, static_mw: float) -> float:
        """Power in this state of what draws these powers in the design's own."""
        return self.dynamic * dynamic_mw + self.voltage * static_mw


@dataclass(frozen=True)
class ThermalNetwork:
    """Foster pairs from junction to ambient, and how leakage grows with temperature.

    Attributes
    ----------
    pairs : tuple of (K/W, J/K)
    leakage_share : float
        Share of the design's static power that is leakage, at `leakage_reference_k`.
    leakage_doubling_k : float
        Rise that doubles it.
    """

    pairs: tuple[tuple[float, float], ...]
    ambient_k: float
    initial_k: float
    leakage_share: float
    leakage_reference_k: float
    leakage_doubling_k: float
    period_ps: int


@dataclass(frozen=True)
class RunningAverage:
    """Two windows over which the average power must stay below a limit (RAPL-like)."""

    limit_mw: float
    window_ps: int
    short_limit_mw: float
    short_window_ps: int
    period_ps: int
    kind: str = "running-average"


@dataclass(frozen=True)
class ThermalPid:
    """Linux's intelligent power allocation: a PID controller of the power granted."""

    target_k: float
    switch_on_k: float
    sustainable_mw: float
    period_ps: int
    kind: str = "thermal-pid"


@dataclass(frozen=True)
class Ladder:
    """One state down at each trip point, one up again below it less the hysteresis."""

    trips_k: tuple[float, ...]
    hysteresis_k: float
    period_ps: int
    kind: str = "ladder"


@dataclass(frozen=True)
class TokenBucket:
    """Energy for tasks trickles in at `rate_mw` up to `burst_aj`; a task takes its own first."""

    rate_mw: float
    burst_aj: int
    period_ps: int
    kind: str = "token-bucket"


@dataclass(frozen=True)
class Capacitor:
    """A harvester charges a capacitor; below `off_v` nothing runs, from `on_v` on it does again.

    The harvest is a square wave: `harvest_mw` for `harvest_duty` of each `harvest_period_ps`.
    """

    capacitance_f: float
    on_v: float
    off_v: float
    full_v: float
    initial_v: float
    harvest_mw: float
    harvest_period_ps: int
    harvest_duty: float
    harvest_efficiency: float
    regulator_efficiency: float
    leakage_a: float
    checkpoint_aj: int
    checkpoint_ps: int
    restore_aj: int
    restore_ps: int
    period_ps: int
    sudden: bool = False
    """Whether power fails unforeseen: tasks begin whatever is stored, and one that it does not
    last for is lost."""
    kind: str = "capacitor"

    def stored_aj(self, voltage: float) -> int:
        """Energy above the lowest usable voltage."""
        return round(self.capacitance_f / 2 * (voltage**2 - self.off_v**2) * 1e18)


@dataclass(frozen=True)
class Battery:
    """A battery of linear open-circuit voltage with an internal resistance."""

    capacity_j: float
    charge: float
    full_v: float
    empty_v: float
    resistance_ohm: float
    efficiency: float
    saver_below: float
    period_ps: int
    kind: str = "battery"


Policy = RunningAverage | ThermalPid | Ladder | TokenBucket | Capacitor | Battery

POLICY_KINDS: dict[str, type[Policy]] = {
    kind.kind: kind
    for kind in (RunningAverage, ThermalPid, Ladder, TokenBucket, Capacitor, Battery)
}
"""Policies by the word that a design file uses."""
