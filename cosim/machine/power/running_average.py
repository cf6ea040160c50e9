"""Running-average power limit over two windows, as processors do it (RAPL).

Linux's powercap documentation names the knobs (a limit and a time window, long and short term); the
averaging rule is not published, an exponentially weighted one is the usual model. Each period

    average_j += (P - average_j) (1 - exp(-dt/tau_j))
    allowed_j  = limit_j + (limit_j - average_j) tau_j/dt

and the state is the fastest whose power stays within the smaller allowance, going up at most one
state at a time. A period at full power lifts the average by less than (P - limit) dt/tau, which is
by how much the long average may overshoot; what runs at a change finishes in its old state.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1

from cosim.design.power import RunningAverage, StateFactors
from cosim.machine.power.states import Reading, highest_within


class RunningAveragePolicy:
    """Attributes
    ----------
    averages_mw : list of float
        Long and short average.
    """

    def __init__(self, policy: RunningAverage) -> None:
        self.windows = (
            (policy.limit_mw, policy.window_ps),
            (policy.short_limit_mw, policy.short_window_ps),
        )
        self.averages_mw = [0.0, 0.0]

    def decide(self, reading: Reading, states: Sequence[StateFactors]) -> int:
        """The state from now on."""
        allowed = []
        for number, (limit, window) in enumerate(self.windows):
            share = -expm1(-reading.duration_ps / window)
            average = self.averages_mw[number]
            average += (reading.total_mw - average) * share
            self.averages_mw[number] = average
            allowed.append(limit + (limit - average) * window / max(1, reading.duration_ps))
        chosen = highest_within(min(allowed), reading, states)
        return max(chosen, reading.state - 1)

    def shown(self) -> dict[str, float]:
        """What to record beside power and state."""
        return {"long average (mW)": self.averages_mw[0], "short average (mW)": self.averages_mw[1]}
