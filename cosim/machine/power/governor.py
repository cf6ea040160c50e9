"""The governor: where policies, temperature and stored energy meet a running machine.

It acts at instants of its own, before all else that happens then: the executor calls `act` with a
view of itself (`Machine`). There it takes the exact energy spent since the last time, warms the
thermal network by it, asks the policy for an operating state, notes a sample, and says when it
wants to be called again. What it does shows in the timeline as intervals of its own component:
times at a lowered clock, refills of a bucket, charging of a capacitor, checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cosim.design import power as data
from cosim.errors import CosimError
from cosim.machine.power.battery import BatteryPolicy
from cosim.machine.power.capacitor import PowerCycles
from cosim.machine.power.ladder import LadderPolicy
from cosim.machine.power.machine import Machine
from cosim.machine.power.running_average import RunningAveragePolicy
from cosim.machine.power.states import Reading
from cosim.machine.power.store import NEVER
from cosim.machine.power.thermal import ThermalModel
from cosim.machine.power.thermal_pid import ThermalPidPolicy
from cosim.mapping.governing import throttled_to
from cosim.mapping.program import Governing, Program
from cosim.timeline.causes import Cause
from cosim.timeline.governor_log import TIME, GovernorLog
from cosim.units import format_time

DEFAULT_PERIOD_PS = 1_000_000_000
UW = 1000.0


class StatePolicy(Protocol):
    """Chooses an operating state."""

    def decide(self, reading: Reading, states: tuple[data.StateFactors, ...]) -> int:
        """The state from now on."""

    def shown(self) -> dict[str, float]:
        """What to record beside power and state, by name with unit."""


_STATE_POLICIES: dict[type, Callable[..., StatePolicy]] = {
    data.RunningAverage: RunningAveragePolicy,
    data.ThermalPid: ThermalPidPolicy,
    data.Ladder: LadderPolicy,
    data.Battery: BatteryPolicy,
}


class Governor:
    """One machine's governor.

    Parameters
    ----------
    program : Program
        With `governing`.
    """

    def __init__(self, program: Program) -> None:
        assert program.governing is not None
        self._program = program
        self._governing: Governing = program.governing
        policy = self._governing.policy
        make = _STATE_POLICIES.get(type(policy))
        self._policy = make(policy) if make else None
        self._thermal = ThermalModel(self._governing.thermal) if self._governing.thermal else None
        timed = policy or self._governing.thermal
        self.period_ps = timed.period_ps if timed else DEFAULT_PERIOD_PS
        self._cycles: PowerCycles | None = None
        self._state = 0
        self._state_since = 0
        self._sampled = 0
        self._log = GovernorLog(totals={"tasks": 0, "static": 0})
        self._state_time = [0] * len(self._governing.states)

    def begin(self, machine: Machine) -> int:
        """Prepare a machine that has not run yet; when to call `act` first."""
        policy = self._governing.policy
        if isinstance(policy, data.TokenBucket):
            machine.income_uw = max(1, round(policy.rate_mw * UW))
            machine.level_aj = policy.burst_aj
            machine.is_open = 1
        elif isinstance(policy, data.Capacitor):
            self._cycles = PowerCycles(self._governing, policy, self._program.name)
            return min(self.period_ps, self._cycles.begin(machine))
        return self.period_ps

    def act(self, machine: Machine) -> int:
        """Do what is due; when to call again (later than now)."""
        cycles = self._cycles
        following = cycles.act(machine) if cycles is not None else NEVER
        if machine.now_ps >= self._sampled + self.period_ps:
            self._sample(machine)
        return min(following, self._sampled + self.period_ps)

    def finish(self, machine: Machine) -> GovernorLog:
        """The last sample and the last interval, at the end of the run; what was seen and done."""
        if machine.now_ps > self._sampled:
            self._sample(machine)
        self._record_state(machine)
        for state, time in zip(self._governing.states, self._state_time, strict=True):
            self._log.facts[f"time in state {state.name} (s)"] = time * 1e-12
        if self._cycles is not None:
            self._cycles.finish(machine, self._log.totals, self._log.facts)
        elif self._governing.energy_pool is not None:
            self._log.totals["spilled"] = machine.spilled_aj
        return self._log

    def _sample(self, machine: Machine) -> None:
        now = machine.now_ps
        duration = now - self._sampled
        spent = machine.take_spent_aj()
        static_mw = self._static_mw()
        static_aj = round(static_mw * UW * duration)
        if self._cycles is not None:
            self._cycles.settle(machine)
            static_aj = self._cycles.take_static_aj()
            static_mw = static_aj / duration / UW
        self._log.totals["tasks"] += spent
        self._log.totals["static"] += static_aj
        reading = Reading(
            now, duration, spent / duration / UW, static_mw,
            self._thermal.temperature_k if self._thermal else 0.0, self._state,
        )  # fmt: skip
        if self._thermal:
            self._thermal.advance(reading.total_mw / 1000, duration * 1e-12)
            reading = Reading(
                now, duration, reading.dynamic_mw, static_mw, self._thermal.temperature_k,
                self._state,
            )  # fmt: skip
        self._state_time[self._state] += duration
        self._note(machine, reading)
        self._sampled = now
        if self._policy is not None:
            chosen = self._policy.decide(reading, self._governing.states)
            for name, value in self._policy.shown().items():
                self._log.samples.setdefault(name, []).append(value)
            self._check_battery(now)
            if chosen != self._state:
                self._record_state(machine)
                self._state = chosen
                machine.set_state(chosen)

    def _static_mw(self) -> float:
        """Drawn always, at the present state and temperature."""
        factor = self._thermal.static_factor() if self._thermal else 1.0
        return self._governing.static_mw * self._governing.states[self._state].voltage * factor

    def _note(self, machine: Machine, reading: Reading) -> None:
        noted = {TIME: float(reading.now_ps), "power (mW)": reading.total_mw}
        if len(self._governing.states) > 1:
            noted["state"] = float(reading.state)
            noted["frequency (%)"] = 100 * self._governing.states[reading.state].frequency
        if self._thermal:
            noted["temperature (°C)"] = self._thermal.temperature_k - 273.15
        if self._cycles is not None:
            noted |= self._cycles.shown(machine)
        elif self._governing.energy_pool is not None:
            noted["tokens (mJ)"] = machine.level_aj * 1e-15
        for name, value in noted.items():
            self._log.samples.setdefault(name, []).append(value)

    def _record_state(self, machine: Machine) -> None:
        """Record the time at a lowered clock that ends now."""
        now = machine.now_ps
        template = self._governing.rows.get(throttled_to(self._governing.states[self._state]))
        if template is not None and now > self._state_since:
            machine.record(template, self._state_since, int(Cause.SEQUENCE), -1)
        self._state_since = now

    def _check_battery(self, now: int) -> None:
        if isinstance(self._policy, BatteryPolicy) and self._policy.is_empty:
            raise CosimError(
                f"the battery is empty at {format_time(now)}, before the run has ended",
                where=f"{self._program.name}, power.policy",
                expected="a larger power.policy.capacity or power.policy.charge",
            )
