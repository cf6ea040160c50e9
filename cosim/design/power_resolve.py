"""From what a design file says of power and heat to plain data, constants filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from cosim import units
from cosim.design import catalogue
from cosim.design import power as data
from cosim.design.design import PowerDomain, SourcedConstant
from cosim.design.document import Document
from cosim.design.power_specification import (
    BatterySpec,
    CapacitorSpec,
    LadderSpec,
    RunningAverageSpec,
    ThermalPidSpec,
    ThermalSpec,
    TokenBucketSpec,
)
from cosim.design.specification import PowerSpec
from cosim.errors import CosimError
from cosim.units import Quantity, format_frequency, format_temperature, format_voltage

MILLISECOND_PS = 1_000_000_000


@dataclass
class PowerResolution:
    """Resolves the tables of one design file.

    Attributes
    ----------
    document : Document
        Tells the places for errors.
    constants : list of SourcedConstant
        What was filled in from the catalogue.
    """

    document: Document
    constants: list[SourcedConstant] = field(default_factory=list)

    def domain(self, spec: PowerSpec, array_hz: int) -> PowerDomain:
        """The power domain; `array_hz` is the clock that the design's constants hold for.

        Raises
        ------
        CosimError
            Voltages or temperatures in an order that cannot be, states that no policy chooses
            from, a policy that lacks its states.
        """
        policy = self._policy(spec)
        states = self._states(spec)
        if isinstance(policy, data.Ladder) and not states:
            states = _halved(array_hz, len(policy.trips_k))
        chooses = not isinstance(policy, data.TokenBucket | data.Capacitor | None)
        if states and not chooses:
            raise self._error(
                ("power", "states"), "no policy chooses among the states of power.states",
                "a power.policy of kind running-average, thermal-pid, ladder or battery",
            )  # fmt: skip
        needs = isinstance(policy, data.RunningAverage | data.ThermalPid)
        if needs and len(states) < 2:
            raise self._error(
                ("power", "policy"), "the policy has no states to choose from",
                "at least two tables [power.states.NAME] with a frequency",
            )  # fmt: skip
        nominal = 0
        if states:
            known = [state.frequency_hz for state in states]
            if array_hz not in known:
                raise self._error(
                    ("power", "states"),
                    f"no state has the array's clock frequency, {format_frequency(array_hz)}",
                    "one state at that frequency: the design's energies hold for it",
                )
            nominal = known.index(array_hz)
        return PowerDomain(spec.static, spec.budget, policy, states, nominal)

    def thermal(
        self, spec: ThermalSpec | None, policy: data.Policy | None
    ) -> data.ThermalNetwork | None:
        """The thermal network, None if temperature is not followed.

        Raises
        ------
        CosimError
            A policy that steers by temperature without one.
        """
        if spec is None:
            if isinstance(policy, data.ThermalPid | data.Ladder):
                raise self._error(
                    ("power", "policy"),
                    f"a {policy.kind} policy steers by temperature, and there is none",
                    'a table [thermal], such as cooling = "heatsink"',
                )
            return None
        path = ("thermal",)
        if spec.pairs is not None and spec.cooling is not None:
            raise self._error(path, "thermal has both cooling and pairs", "one of the two")
        if spec.pairs is not None:
            pairs = tuple((pair.kelvin_per_watt, pair.joule_per_kelvin) for pair in spec.pairs)
        else:
            pairs = self._pairs(spec.cooling or "bare")
        ambient = self._or_usual(spec.ambient, path, "ambient", units.TEMPERATURE)
        return data.ThermalNetwork(
            pairs=pairs,
            ambient_k=ambient,
            initial_k=ambient if spec.initial is None else spec.initial,
            leakage_share=self._share(spec.leakage_share, path, "leakage-share"),
            leakage_reference_k=self._or_usual(
                spec.leakage_reference, path, "leakage-reference", units.TEMPERATURE
            ),
            leakage_doubling_k=self._or_usual(
                spec.leakage_doubling, path, "leakage-doubling", units.TEMPERATURE
            ),
            period_ps=spec.period,
        )

    def _pairs(self, cooling: str) -> tuple[tuple[float, float], ...]:
        known = catalogue.thermal_class(cooling)
        text = ", ".join(f"{r} K/W and {c} J/K" for r, c in known.pairs)
        self.constants.append(
            SourcedConstant("thermal.pairs", text, known.source, known.assumed, derived=True)
        )
        return known.pairs

    # Policies

    def _policy(self, spec: PowerSpec) -> data.Policy | None:
        policy = spec.policy
        if isinstance(policy, RunningAverageSpec):
            return self._running_average(policy)
        if isinstance(policy, ThermalPidSpec):
            return self._thermal_pid(policy)
        if isinstance(policy, LadderSpec):
            return self._ladder(policy)
        if isinstance(policy, TokenBucketSpec):
            burst = round(policy.burst * data.AJ_PER_PJ)
            return data.TokenBucket(policy.rate, burst, policy.period)
        if isinstance(policy, CapacitorSpec):
            return self._capacitor(policy)
        if isinstance(policy, BatterySpec):
            return self._battery(policy)
        return None

    def _running_average(self, spec: RunningAverageSpec) -> data.RunningAverage:
        path = ("power", "policy")
        long = round(self._or_usual(spec.window, path, "running-average-window", units.TIME))
        short = round(
            self._or_usual(spec.short_window, path, "running-average-short-window", units.TIME)
        )
        if short > long:
            raise self._error(
                (*path, "short_window"), "the short window is longer than the long one",
                f"at most {units.format_time(long)}",
            )  # fmt: skip
        limit = spec.short_limit
        if limit is None:
            limit = spec.limit * self._share(None, path, "running-average-short-limit")
        if limit < spec.limit:
            raise self._error(
                (*path, "short_limit"), "the short window allows less than the long one",
                f"at least {units.format_power(spec.limit)}",
            )  # fmt: skip
        period = spec.period or min(max(1000, short // 10), 100 * MILLISECOND_PS)
        if period > short:
            raise self._error(
                (*path, "period"), "the period is longer than the short window",
                f"at most {units.format_time(short)}",
            )  # fmt: skip
        return data.RunningAverage(spec.limit, long, limit, short, period)

    def _thermal_pid(self, spec: ThermalPidSpec) -> data.ThermalPid:
        path = ("power", "policy")
        if spec.switch_on >= spec.target:
            raise self._error(
                (*path, "switch_on"), "the governor switches on at its target or above",
                f"less than {format_temperature(spec.target)}",
            )  # fmt: skip
        period = round(self._or_usual(spec.period, path, "thermal-pid-period", units.TIME))
        return data.ThermalPid(spec.target, spec.switch_on, spec.sustainable, period)

    def _ladder(self, spec: LadderSpec) -> data.Ladder:
        path = ("power", "policy")
        if any(a >= b for a, b in pairwise(spec.trips)):
            raise self._error(
                (*path, "trips"), "the trip points do not rise", "rising temperatures"
            )
        hysteresis = self._or_usual(spec.hysteresis, path, "hysteresis", units.TEMPERATURE)
        period = round(self._or_usual(spec.period, path, "thermal-pid-period", units.TIME))
        return data.Ladder(tuple(spec.trips), hysteresis, period)

    def _capacitor(self, spec: CapacitorSpec) -> data.Capacitor:
        path = ("power", "policy")
        off = self._or_usual(spec.off, path, "off-voltage", units.VOLTAGE)
        on = self._or_usual(spec.on, path, "on-voltage", units.VOLTAGE)
        full = self._or_usual(spec.full, path, "full-voltage", units.VOLTAGE)
        initial = on if spec.initial is None else spec.initial
        if not off < on <= full:
            raise self._error(
                path, f"on is {format_voltage(on)}, between off at {format_voltage(off)} and full "
                f"at {format_voltage(full)} it should be", "off < on <= full",
            )  # fmt: skip
        if not off <= initial <= full:
            raise self._error(
                (*path, "initial"), f"initial is {format_voltage(initial)}",
                f"{format_voltage(off)} to {format_voltage(full)}",
            )  # fmt: skip
        sudden = spec.brown_out == "sudden"
        if sudden and (spec.checkpoint_energy or spec.checkpoint_time):
            raise self._error(
                path, "a checkpoint before a brown-out that nobody foresees",
                'brown_out = "foreseen", or no checkpoint_energy and checkpoint_time',
            )  # fmt: skip
        return data.Capacitor(
            spec.capacitance, on, off, full, initial, spec.harvest, spec.harvest_period,
            spec.harvest_duty, self._share(spec.harvest_efficiency, path, "harvest-efficiency"),
            self._share(spec.regulator_efficiency, path, "regulator-efficiency"), spec.leakage,
            round(spec.checkpoint_energy * data.AJ_PER_PJ), spec.checkpoint_time,
            round(spec.restore_energy * data.AJ_PER_PJ), spec.restore_time, spec.period, sudden,
        )  # fmt: skip

    def _battery(self, spec: BatterySpec) -> data.Battery:
        path = ("power", "policy")
        full = self._or_usual(spec.full, path, "battery-full-voltage", units.VOLTAGE)
        empty = self._or_usual(spec.empty, path, "battery-empty-voltage", units.VOLTAGE)
        if empty >= full:
            raise self._error(
                (*path, "empty"), f"the empty battery has {format_voltage(empty)}",
                f"less than {format_voltage(full)}",
            )  # fmt: skip
        resistance = self._or_usual(spec.resistance, path, "battery-resistance", units.RESISTANCE)
        efficiency = self._share(spec.efficiency, path, "regulator-efficiency")
        return data.Battery(
            spec.capacity * 1e-12, spec.charge, full, empty, resistance, efficiency,
            spec.saver_below, spec.period,
        )  # fmt: skip

    # States

    def _states(self, spec: PowerSpec) -> tuple[data.OperatingState, ...]:
        path = ("power", "states")
        given = [state.voltage for state in spec.states.values()]
        if any(v is None for v in given) and any(v is not None for v in given):
            raise self._error(path, "some states have a voltage and some none", "all or none")
        states = [
            data.OperatingState(name, state.frequency, state.voltage or 1.0)
            for name, state in spec.states.items()
        ]
        states.sort(key=lambda state: -state.frequency_hz)
        for faster, slower in pairwise(states):
            if faster.frequency_hz == slower.frequency_hz:
                raise self._error(
                    (*path, slower.name), f"{faster.name} and {slower.name} have one frequency",
                    "a frequency each",
                )  # fmt: skip
            if slower.voltage_v > faster.voltage_v:
                raise self._error(
                    (*path, slower.name, "voltage"),
                    f"{slower.name} is slower than {faster.name} at a higher voltage",
                    f"at most {format_voltage(faster.voltage_v)}",
                )
        return tuple(states)

    # What is left out

    def _or_usual(
        self, value: float | None, path: tuple[str, ...], name: str, quantity: Quantity
    ) -> float:
        return value if value is not None else quantity.parse(self._usual(path, name))

    def _share(self, value: float | None, path: tuple[str, ...], name: str) -> float:
        return value if value is not None else float(self._usual(path, name).split()[0]) / 100

    def _usual(self, path: tuple[str, ...], name: str) -> str:
        known = catalogue.constant(f"power-policy.{name}")
        key = ".".join((*path, name))
        self.constants.append(
            SourcedConstant(key, known.value, known.source, known.assumed, derived=True)
        )
        return known.value

    def _error(self, path: tuple[str, ...], problem: str, expected: str) -> CosimError:
        return CosimError(problem, where=self.document.where(path), expected=expected)


def _halved(array_hz: int, times: int) -> tuple[data.OperatingState, ...]:
    """The array's frequency and, for each trip point, half of the one before, at one voltage."""
    hertz = [max(1, array_hz >> number) for number in range(times + 1)]
    return tuple(data.OperatingState(format_frequency(h), h, 1.0) for h in hertz)
