"""Stored energy that tasks take before they begin: a bucket of tokens, or a capacitor.

The store is a pool of attojoules. Its level is what may still be promised; a task takes what it
will spend, P t, before it begins. Nothing is scheduled for the refill: the level at any instant
follows from the last one by integer arithmetic, and the time at which a waiting request will fit
from a division.

In a *bucket* the level is all there is: it rises at `income_uw` up to the pool's capacity. A store
that *keeps* (a capacitor) also knows what it really holds, `kept`: tasks drain that at the power
they draw while they run, and what exceeds `kept_limit` is lost. So

    kept = level + reserve + what running tasks have yet to spend.

`cosim.machine.kernel` has the same arithmetic over integers of its memory (`_pass_time`,
`_next_governed_instant`).
"""

from __future__ import annotations

from dataclasses import dataclass

from cosim.design.power import Capacitor
from cosim.mapping.program import Governing

NEVER = 1 << 62
CLOSED = 1 << 62
"""Taken off the level of a store that is closed: no request fits."""


@dataclass
class EnergyStore:
    """A store beside its pool.

    Attributes
    ----------
    capacity_aj : int
        Largest level of a bucket.
    income_uw : int
        What flows in less what is drawn always; may be negative in a store that keeps.
    is_open : int
        1 or 0: whether tasks may take of it.
    keeps : bool
    loses : bool
        Of a store that keeps: whether it is starved as soon as a task waits and none runs.
    kept_aj, kept_limit_aj, reserve_aj, spilled_aj : int
    """

    capacity_aj: int
    income_uw: int = 0
    is_open: int = 0
    keeps: bool = False
    loses: bool = False
    kept_aj: int = 0
    kept_limit_aj: int = 0
    reserve_aj: int = 0
    spilled_aj: int = 0

    def passed(self, level_aj: int, spent_aj: int, duration_ps: int) -> int:
        """The level after a time in which tasks spent `spent_aj`."""
        gain = self.income_uw * duration_ps
        if self.keeps:
            self.kept_aj += gain - spent_aj
            spill = max(0, self.kept_aj - self.kept_limit_aj)
            self.kept_aj -= spill
        else:
            spill = max(0, level_aj + gain - self.capacity_aj)
        self.spilled_aj += spill
        return level_aj + gain - spill

    def time_to(self, amount_aj: int, level_aj: int) -> int:
        """Picoseconds until `amount_aj`, more than the level, will fit; `NEVER` if it cannot."""
        if not self.is_open or self.income_uw <= 0:
            return NEVER
        return -((level_aj - amount_aj) // self.income_uw)

    def time_to_empty(self, level_aj: int) -> int:
        """Picoseconds until the level is down to nothing; `NEVER` if it does not sink."""
        if not (self.is_open and self.keeps and self.income_uw < 0 < level_aj):
            return NEVER
        return -(-level_aj // -self.income_uw)

    def is_starved(self, level_aj: int, asked_aj: int | None) -> bool:
        """Whether no task runs on the store and none that waits for it ever will.

        `asked_aj` is what the first of those who wait asks for, None if nobody waits.
        """
        idle = self.kept_aj - level_aj == self.reserve_aj
        if not (self.is_open and self.keeps and idle):
            return False
        if self.loses and asked_aj is not None and asked_aj > level_aj:
            return True
        return self.income_uw <= 0 and (asked_aj is not None or level_aj <= 0)


def store_of(governing: Governing, capacity_aj: int) -> EnergyStore:
    """The store of a governed program, closed and empty, beside a pool of that capacity."""
    policy = governing.policy
    if not isinstance(policy, Capacitor):
        return EnergyStore(capacity_aj)
    limit = policy.stored_aj(policy.full_v)
    return EnergyStore(
        capacity_aj, keeps=True, kept_limit_aj=limit, reserve_aj=governing.reserve_aj
    )
