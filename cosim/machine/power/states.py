"""What a policy is told, and the choice of an operating state by its power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cosim.design.power import StateFactors


@dataclass(frozen=True)
class Reading:
    """What a policy is told about the time since it was last asked.

    Attributes
    ----------
    now_ps, duration_ps : int
        The instant, and the time since the last one.
    dynamic_mw, static_mw : float
        Average power of tasks and of everything that is drawn always, host excluded.
    temperature_k : float
        Junction temperature; 0 without a thermal network.
    state : int
        State in force during this time.
    """

    now_ps: int
    duration_ps: int
    dynamic_mw: float
    static_mw: float
    temperature_k: float
    state: int

    @property
    def total_mw(self) -> float:
        return self.dynamic_mw + self.static_mw


def highest_within(allowed_mw: float, reading: Reading, states: Sequence[StateFactors]) -> int:
    """The fastest state whose power would stay within `allowed_mw`, the slowest if none does.

    What the tasks draw in another state is told from what they drew in this one.
    """
    now = states[reading.state]
    dynamic, static = reading.dynamic_mw / now.dynamic, reading.static_mw / now.voltage
    for number, state in enumerate(states):
        if state.power_mw(dynamic, static) <= allowed_mw:
            return number
    return len(states) - 1
