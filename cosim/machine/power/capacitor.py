"""Intermittent computing: a harvester charges a capacitor, and the machine runs while it lasts.

Energy above the lowest usable voltage is E = C/2 (V^2 - V_off^2); between instants

    dE/dt = efficiency P_harvest - (P_static + P_tasks)/regulator - V I_leak,

with the leakage taken at the voltage at which a period begins. Where brown-outs are foreseen, a
task starts only if its whole energy is there, above a reserve for a checkpoint and for the static
power while the longest task ends: so no started task is ever lost. When none can start and none
runs, the machine checkpoints, switches off, charges until V_on, restores and goes on.

Where they are sudden, the task that is next starts all the same. If what is stored, and comes in,
does not last to its end, the machine is off when it is used up, and the task's work is lost: it
begins anew after the restore. What other tasks had taken for themselves they end with, so one task
is lost at a time. All sums are integers of attojoules:

    initial + harvested = tasks + static + leaked + checkpoints + restores + lost work + spilled
                          + stored
"""

from __future__ import annotations

from math import sqrt

from cosim.design.power import Capacitor
from cosim.errors import CosimError
from cosim.machine.power.machine import Machine
from cosim.machine.power.store import CLOSED, NEVER
from cosim.mapping.program import Governing
from cosim.timeline.causes import Cause
from cosim.units import format_power, format_time, format_voltage

ON, CHECKPOINT, OFF, RESTORE, LOST = range(5)
_ACTIVITY = ("on", "checkpoint", "charging", "restore", "lost work")
UW = 1000.0


class PowerCycles:
    """On, checkpoint, off, restore, and on again.

    Parameters
    ----------
    governing : Governing
    policy : Capacitor
    name : str
        How errors call the run.
    """

    def __init__(self, governing: Governing, policy: Capacitor, name: str) -> None:
        self._policy, self._rows, self._name = policy, governing.rows, name
        self._reserve = governing.reserve_aj
        self._task_power_uw = governing.task_power_uw
        self._lost_uw = 0
        self._static_uw = round(governing.static_mw * UW)
        self._phase = ON
        self._phase_begin = self._phase_end = 0
        self._before: tuple[int, int] = (int(Cause.START), -1)
        self._settled = 0
        self._harvest = self._leak = self._load = self._income = 0
        self._awaited = NEVER
        self._highest_off = (-1, 0)
        self._static_taken = 0
        self.cycles = 0
        self.times = [0] * len(_ACTIVITY)
        self.totals = dict.fromkeys(
            ("initial", "harvested", "static", "leaked", "checkpoints", "restores", "lost work"), 0
        )

    def begin(self, machine: Machine) -> int:
        """Prepare a machine that has not run yet; when to act first."""
        policy = self._policy
        machine.loses = policy.sudden
        machine.kept_aj = self.totals["initial"] = policy.stored_aj(policy.initial_v)
        if machine.kept_aj < policy.stored_aj(policy.on_v):
            self._close(machine, OFF)
        else:
            machine.level_aj = machine.kept_aj - self._reserve
            machine.is_open = 1
        return self._flow(machine)

    def act(self, machine: Machine) -> int:
        """Go through the phases that are due; when to act again."""
        self.settle(machine)
        starved = machine.take_starved()
        machine.loses = self._policy.sudden
        self._awaited = NEVER
        while True:
            if self._phase == ON and starved and self._policy.sudden:
                starved = False
                self._brown_out(machine)
            elif self._phase == ON and starved:
                starved = False
                self._before = self._why(machine)
                self.cycles += 1
                self._close(machine, CHECKPOINT)
                self._take(machine, "checkpoints", policy_energy=self._policy.checkpoint_aj)
            elif self._phase in (CHECKPOINT, LOST) and machine.now_ps >= self._phase_end:
                self._enter(machine, OFF)
                self._highest_off = (machine.kept_aj - 1, machine.now_ps)
            elif self._phase == OFF and machine.kept_aj >= self._policy.stored_aj(
                self._policy.on_v
            ):
                self._enter(machine, RESTORE)
                self._take(machine, "restores", policy_energy=self._policy.restore_aj)
            elif self._phase == RESTORE and machine.now_ps >= self._phase_end:
                self._enter(machine, ON)
                machine.level_aj = machine.kept_aj - self._reserve
                machine.is_open = 1
                machine.hand_out(self._before[1])
            else:
                break
        self._check_progress(machine)
        return self._flow(machine)

    def settle(self, machine: Machine) -> None:
        """Count what flowed since the last change."""
        duration = machine.now_ps - self._settled
        self._settled = machine.now_ps
        self.totals["harvested"] += self._harvest * duration
        self.totals["leaked"] += self._leak * duration
        lost = self._lost_uw * duration if self._phase == LOST else 0
        self.totals["lost work"] += lost
        what = ("static", "checkpoints", "", "restores", "static")[self._phase]
        if what:
            self.totals[what] += self._load * duration - lost
        self.times[self._phase] += duration

    def take_static_aj(self) -> int:
        """Static energy since the last call, up to where it was settled."""
        taken, self._static_taken = self._static_taken, self.totals["static"]
        return self._static_taken - taken

    def shown(self, machine: Machine) -> dict[str, float]:
        """What to record beside the power."""
        return {
            "capacitor voltage (V)": self._voltage(machine),
            "stored energy (mJ)": machine.kept_aj * 1e-15,
        }

    def finish(self, machine: Machine, totals: dict[str, int], facts: dict[str, float]) -> None:
        """Where the energy went, and how long the machine was on and off."""
        self.settle(machine)
        totals |= self.totals | {"spilled": machine.spilled_aj, "stored": machine.kept_aj}
        facts["power cycles"] = float(self.cycles)
        for name, time in zip(_ACTIVITY, self.times, strict=True):
            facts[f"time {name} (s)"] = time * 1e-12

    # Phases

    def _close(self, machine: Machine, phase: int) -> None:
        """Leave `ON`, or begin elsewhere."""
        machine.is_open = 0
        machine.level_aj = -CLOSED
        self._start(machine, phase)

    def _enter(self, machine: Machine, phase: int) -> None:
        """Record the phase that ends now and go on to the next."""
        if machine.now_ps > self._phase_begin:
            cause, row = self._before
            row = machine.record(self._rows[_ACTIVITY[self._phase]], self._phase_begin, cause, row)
            self._before = (int(Cause.SEQUENCE), row)
        self._start(machine, phase)

    def _start(self, machine: Machine, phase: int) -> None:
        self._phase = phase
        self._phase_begin = machine.now_ps
        lasts = (0, self._policy.checkpoint_ps, 0, self._policy.restore_ps, 0)[phase]
        self._phase_end = machine.now_ps + lasts

    def _brown_out(self, machine: Machine) -> None:
        """The task that is next begins, and power fails before it ends; or it can wait for more."""
        lasts = power = 0
        asked = machine.asked()
        if asked is not None:
            amount, template = asked
            power, level, income = self._task_power_uw[template], machine.level_aj, self._income
            duration = amount // power
            if level + income * duration >= amount:
                machine.loses = False
                self._awaited = machine.now_ps - (level - amount) // income
                return
            lasts = self._lasts(machine, power, duration)
        self._before = self._why(machine)
        self.cycles += 1
        self._lost_uw = power
        self._close(machine, LOST)
        self._phase_end = machine.now_ps + lasts

    def _lasts(self, machine: Machine, power_uw: int, duration: int) -> int:
        """How long a task runs, at most to its end, until the level and what comes in are used up.

        The harvest may come and go many times meanwhile.
        """
        level, now = machine.level_aj, machine.now_ps
        drawn, period = self._leak + self._load + power_uw, self._policy.harvest_period_ps
        of_a_period = drawn * period - self._harvest_uw(0)[0] * self._lit_ps
        time, end = now, now + duration
        while time < end and level > 0:
            if time % period == 0:
                times = (end - time) // period
                if of_a_period > 0:
                    times = min(times, level // of_a_period)
                level -= times * of_a_period
                time += times * period
            harvest, edge = self._harvest_uw(time)
            stop, drain = min(edge, end), drawn - harvest
            if drain * (stop - time) > level:
                return time + level // drain - now
            level -= drain * (stop - time)
            time = stop
        return time - now

    def _why(self, machine: Machine) -> tuple[int, int]:
        """Cause of what ends a time on: the interval that ended last, or a standby."""
        row, end = machine.last_row()
        if end == machine.now_ps:
            return (int(Cause.DEPENDENCY), row) if row >= 0 else (int(Cause.START), -1)
        cause = Cause.DEPENDENCY if row >= 0 else Cause.START
        standby = machine.record(self._rows["standby"], max(0, end), int(cause), row)
        return int(Cause.SEQUENCE), standby

    def _take(self, machine: Machine, what: str, *, policy_energy: int) -> None:
        """Take the energy of a phase that lasts no time at once."""
        if self._phase_end == machine.now_ps:
            amount = round(policy_energy / self._policy.regulator_efficiency)
            machine.kept_aj -= amount
            self.totals[what] += amount

    # Flows

    def _flow(self, machine: Machine) -> int:
        """Set what flows from now on; until when that holds."""
        policy, now = self._policy, machine.now_ps
        self._harvest, edge = self._harvest_uw(now)
        self._leak = round(self._voltage(machine) * policy.leakage_a * 1e6)
        self._load = self._load_uw()
        income = self._income = self._harvest - self._leak - self._load
        machine.income_uw = income
        following = min(edge, now + policy.period_ps, self._awaited)
        if self._phase in (CHECKPOINT, RESTORE, LOST):
            following = min(following, self._phase_end)
        elif self._phase == OFF and income > 0:
            lacking = policy.stored_aj(policy.on_v) - machine.kept_aj
            following = min(following, now + max(1, -(-lacking // income)))
        return following

    def _load_uw(self) -> int:
        """What is drawn besides tasks, before the regulator."""
        policy = self._policy
        if self._phase == ON:
            return self._static_uw
        if self._phase == LOST:
            return self._static_uw + self._lost_uw
        energy, time = (
            (policy.checkpoint_aj, policy.checkpoint_ps)
            if self._phase == CHECKPOINT
            else (policy.restore_aj, policy.restore_ps)
        )
        if self._phase == OFF or not time:
            return 0
        return -(-round(energy / policy.regulator_efficiency) // time)

    @property
    def _lit_ps(self) -> int:
        """How long the harvest lasts in each of its periods."""
        return round(self._policy.harvest_period_ps * self._policy.harvest_duty)

    def _harvest_uw(self, now: int) -> tuple[int, int]:
        """Power harvested, and when that changes."""
        policy = self._policy
        period, lit = policy.harvest_period_ps, self._lit_ps
        within = now % period
        if within < lit:
            harvest = round(policy.harvest_mw * policy.harvest_efficiency * UW)
            return harvest, NEVER if lit == period else now - within + lit
        return 0, now - within + period

    def _voltage(self, machine: Machine) -> float:
        stored = machine.kept_aj * 1e-18
        return sqrt(max(0.0, self._policy.off_v**2 + 2 * stored / self._policy.capacitance_f))

    def _check_progress(self, machine: Machine) -> None:
        """Raise if a whole period of the harvest did not charge the capacitor any further."""
        if self._phase != OFF:
            return
        highest, since = self._highest_off
        if machine.kept_aj > highest:
            self._highest_off = (machine.kept_aj, machine.now_ps)
        elif machine.now_ps - since > self._policy.harvest_period_ps + self._policy.period_ps:
            policy = self._policy
            raise CosimError(
                f"at {format_time(machine.now_ps)} the capacitor no longer charges: it stays at "
                f"{format_voltage(self._voltage(machine))}, and the machine starts at "
                f"{format_voltage(policy.on_v)}",
                where=f"{self._name}, power.policy",
                expected=f"more harvest than {format_power(policy.harvest_mw)} or less leakage",
            )
