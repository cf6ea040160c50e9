"""A battery: charge, voltage under load, and a saver that lowers the clocks when it runs low.

Open-circuit voltage falls linearly with the charge that is left. The current that delivers a power
P at the terminals solves P = (V - I R) I; what the resistance turns into heat is lost as well, so
the charge falls by V I a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from cosim.design.power import Battery, StateFactors
from cosim.machine.power.states import Reading


class BatteryPolicy:
    """Attributes
    ----------
    energy_j : float
        Energy left.
    voltage_v : float
        Terminal voltage under the load of the last period.
    used_j, lost_j : float
        Delivered to the machine, and turned into heat before it got there.
    """

    def __init__(self, policy: Battery) -> None:
        self._policy = policy
        self.energy_j = policy.capacity_j * policy.charge
        self.voltage_v = self.open_v
        self.used_j = 0.0
        self.lost_j = 0.0

    @property
    def charge(self) -> float:
        """Share of the capacity that is left."""
        return self.energy_j / self._policy.capacity_j

    @property
    def open_v(self) -> float:
        """Open-circuit voltage."""
        policy = self._policy
        return policy.empty_v + (policy.full_v - policy.empty_v) * self.charge

    def decide(self, reading: Reading, states: Sequence[StateFactors]) -> int:
        """The state from now on; `is_empty` tells when there is no more."""
        policy, open_v = self._policy, self.open_v
        used_w = reading.total_mw / 1000
        load_w = used_w / policy.efficiency
        inside = max(0.0, open_v**2 - 4 * policy.resistance_ohm * load_w)
        # the smaller current of the two that deliver it; the largest possible if none does
        current = (
            (open_v - sqrt(inside)) / (2 * policy.resistance_ohm)
            if policy.resistance_ohm
            else load_w / open_v
        )
        seconds = reading.duration_ps * 1e-12
        drawn = open_v * current * seconds
        self.energy_j -= drawn
        self.used_j += used_w * seconds
        self.lost_j += drawn - used_w * seconds
        self.voltage_v = open_v - current * policy.resistance_ohm
        return len(states) - 1 if self.charge < policy.saver_below else 0

    @property
    def is_empty(self) -> bool:
        return self.energy_j <= 0

    def shown(self) -> dict[str, float]:
        """What to record beside power and state."""
        return {"charge (%)": 100 * self.charge, "battery voltage (V)": self.voltage_v}
