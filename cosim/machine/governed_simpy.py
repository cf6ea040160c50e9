"""The SimPy executor under a governor: operating states, energy spent and stored, and its instants.

An instant begins with what happens to the energy store and what the governor does; completions
and arbitration follow as they always do.
"""

from __future__ import annotations

from cosim.machine.environment import ELSEWHERE, NOTHING, THERE, MachineEnvironment, TokenPool
from cosim.machine.kernel import FACTOR_BITS
from cosim.machine.power.governor import Governor
from cosim.machine.power.store import NEVER, EnergyStore, store_of
from cosim.mapping.program import Program, StepKind, Template
from cosim.timeline.causes import Cause
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.recorder import Recorder


class GovernedMachine:
    """Implements `cosim.machine.power.machine.Machine` for a SimPy environment.

    Attributes
    ----------
    budget : TokenPool or None
        The power pool, where its amounts depend on the state.
    energy : TokenPool or None
    reasons : list of (cause, cause row, last row)
        Of every component, what it had waited for when it asked for energy.
    templates : list of int
        Of every component, the template of the task for which it asked.
    """

    def __init__(
        self, program: Program, environment: MachineEnvironment, recorder: Recorder
    ) -> None:
        assert program.governing is not None
        self._governing = governing = program.governing
        self._environment, self._recorder = environment, recorder
        self._governor = Governor(program)
        self._state = 0
        self._own_state = [-1] * len(program.components)
        self._drawn = [0] * len(program.components)
        self._held = [0] * len(program.components)
        self._power_uw = self._spent = self._counted = 0
        self._task = -1
        self._last_row = -1
        self._latest = (-1, 0)
        self._refill_end = 0
        self._starved = False
        self._budget_clock = [_clock_after_budget(program, t) for t in program.templates]
        self.reasons = [(-1, -1, -1)] * len(program.components)
        self.templates = [-1] * len(program.components)
        pools = environment.pools
        changes = len(governing.states) > 1
        self.budget: TokenPool | None = next(
            (pool for pool in pools if changes and pool.spec.kind == "power"), None
        )
        self.energy: TokenPool | None = None
        self._store: EnergyStore | None = None
        if governing.energy_pool is not None:
            self.energy = pools[governing.energy_pool]
            self._store = store_of(governing, self.energy.capacity)
        self._act_at = self._governor.begin(self)

    # What the executor asks

    def budget_of(self, rank: int, amount: int, template: int) -> int:
        """What a task asks of the power budget in the present state."""
        factor = self._governing.factors[self._keep_state(rank)][self._budget_clock[template]]
        self._held[rank] = (amount * factor + (1 << FACTOR_BITS) - 1) >> FACTOR_BITS
        return self._held[rank]

    def held(self, rank: int) -> int:
        """What a component took of the power budget."""
        return self._held[rank]

    def begin_hold(self, rank: int, cycles: int, clock: int, power_uw: int) -> int:
        """How long a hold takes in the present state; from now on it draws its power."""
        state = self._keep_state(rank)
        duration = cycles * self._governing.periods_ps[state][clock]
        if duration:
            self._drawn[rank] = (power_uw * self._governing.factors[state][clock]) >> FACTOR_BITS
            self._power_uw += self._drawn[rank]
        return duration

    def end_hold(self, rank: int) -> None:
        """The hold of a component has ended."""
        self._power_uw -= self._drawn[rank]
        self._drawn[rank] = 0

    def end_interval(self, rank: int, row: int) -> None:
        """The next interval of a component runs in the state of its time."""
        self._own_state[rank] = -1
        self._latest = (row, self.now_ps)

    def reach(self, time: int) -> int:
        """Go on to `time`, or to an earlier instant at which store or governor have to do."""
        now = self.now_ps
        if time == now:
            return THERE
        until, refilled = min(time, self._act_at), NEVER
        store, pool = self._store, self.energy
        if store is not None and pool is not None:
            waiting, level = pool.waiting, pool.level
            if store.is_starved(level, waiting[0][3] if waiting else None):
                self._starved = True
                until = now
            if waiting:
                refilled = now + store.time_to(waiting[0][3], level)
            until = min(until, refilled, now + store.time_to_empty(level))
            if time == NEVER and refilled >= NEVER and not waiting:
                return NOTHING
        elif time == NEVER:
            return NOTHING
        self._pass(until)
        if until == refilled:
            self._refill()
        if until == self._act_at or self._starved:
            self._act_at = self._governor.act(self)
        return THERE if until == time else ELSEWHERE

    def finish(self) -> GovernorLog:
        """The end of the run."""
        return self._governor.finish(self)

    def _keep_state(self, rank: int) -> int:
        """The state that a task keeps to its MARK."""
        if self._own_state[rank] < 0:
            self._own_state[rank] = self._state
        return self._own_state[rank]

    def _pass(self, until: int) -> None:
        duration = until - self.now_ps
        spent = self._power_uw * duration
        self._spent += spent
        if self._store is not None and self.energy is not None:
            self.energy.level = self._store.passed(self.energy.level, spent, duration)
        self._environment._now = until

    def _refill(self) -> None:
        """Let the store decide if its first request fits, and record what it waited for."""
        assert self.energy is not None
        _, arrival, rank, amount = self.energy.waiting[0][:4]
        if amount > self.energy.level:
            return
        cause, cause_row, last_row = self.reasons[rank]
        if self._refill_end > arrival:
            cause, cause_row = Cause.SEQUENCE, self._last_row
        elif cause < 0:
            cause = Cause.SEQUENCE if last_row >= 0 else Cause.START
            cause_row = last_row
        start = max(arrival, self._refill_end)
        row = self.record(self._governing.rows["refilling"], start, int(cause), cause_row)
        self.hand_out(row)

    # What the governor asks

    @property
    def level_aj(self) -> int:
        return self.energy.level if self.energy else 0

    @level_aj.setter
    def level_aj(self, value: int) -> None:
        assert self.energy is not None
        self.energy.level = value

    @property
    def kept_aj(self) -> int:
        return self._store.kept_aj if self._store else 0

    @kept_aj.setter
    def kept_aj(self, value: int) -> None:
        assert self._store is not None
        self._store.kept_aj = value

    @property
    def income_uw(self) -> int:
        return self._store.income_uw if self._store else 0

    @income_uw.setter
    def income_uw(self, value: int) -> None:
        assert self._store is not None
        self._store.income_uw = value

    @property
    def is_open(self) -> int:
        return self._store.is_open if self._store else 0

    @is_open.setter
    def is_open(self, value: int) -> None:
        assert self._store is not None
        self._store.is_open = value

    @property
    def now_ps(self) -> int:
        return int(self._environment._now)

    @property
    def spilled_aj(self) -> int:
        return self._store.spilled_aj if self._store else 0

    def spend(self, amount_aj: int) -> None:
        """What a transfer took that is complete now."""
        self._spent += amount_aj
        if self._store is not None and self._store.keeps:
            self._store.kept_aj -= amount_aj

    def take_spent_aj(self) -> int:
        spent, self._spent = self._spent, 0
        return spent

    @property
    def loses(self) -> bool:
        return self._store is not None and self._store.loses

    @loses.setter
    def loses(self, value: bool) -> None:
        assert self._store is not None
        self._store.loses = value

    def asked(self) -> tuple[int, int] | None:
        waiting = self.energy.waiting if self.energy else []
        return (waiting[0][3], self.templates[waiting[0][2]]) if waiting else None

    def take_starved(self) -> bool:
        starved, self._starved = self._starved, False
        return starved

    def set_state(self, state: int) -> None:
        self._state = state

    def hand_out(self, row: int) -> None:
        assert self.energy is not None
        self.energy.release(0, self._governing.component, row)

    def record(self, template: int, start_ps: int, cause: int, cause_row: int) -> int:
        self._task += 1
        lane = self._governing.lane
        row = (
            self._governing.component, template, self._task, lane, start_ps, self.now_ps, cause,
            cause_row,
        )  # fmt: skip
        self._last_row = self._recorder.append(row)
        self._latest = (self._last_row, self.now_ps)
        self._refill_end = self.now_ps
        return self._last_row

    def last_row(self) -> tuple[int, int]:
        return self._latest


def _clock_after_budget(program: Program, template: Template) -> int:
    """Clock of the first HOLD after a template asks for power; 0 if it does not, or is served."""
    asked = False
    for kind, pool, clock, _ in template.steps:
        if kind == StepKind.ACQUIRE and program.pools[pool].kind == "power":
            asked = True
        elif kind in (StepKind.HOLD, StepKind.SERVE) and asked:
            return clock
    return 0
