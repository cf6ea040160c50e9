"""Threshold ladder: a trip point a step, with hysteresis, as small boards' firmware does it.

The level goes up by one where the temperature exceeds the next trip point, and down by one where
it falls below the last one less the hysteresis; at most one step a period.
"""

from __future__ import annotations

from collections.abc import Sequence

from cosim.design.power import Ladder, StateFactors
from cosim.machine.power.states import Reading


class LadderPolicy:
    """Attributes
    ----------
    level : int
        Trip points passed.
    """

    def __init__(self, policy: Ladder) -> None:
        self._policy = policy
        self.level = 0

    def decide(self, reading: Reading, states: Sequence[StateFactors]) -> int:
        """The state from now on: as many states below the fastest as trip points were passed."""
        trips = self._policy.trips_k
        if self.level < len(trips) and reading.temperature_k > trips[self.level]:
            self.level += 1
        elif (
            self.level and reading.temperature_k < trips[self.level - 1] - self._policy.hysteresis_k
        ):
            self.level -= 1
        return min(self.level, len(states) - 1)

    def shown(self) -> dict[str, float]:
        """What to record beside temperature and state."""
        return {"ladder level": float(self.level)}
