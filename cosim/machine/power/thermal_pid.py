"""PID thermal governor: Linux's power allocator (drivers/thermal/gov_power_allocator.c).

Below the switch-on temperature everything may run. Above it, with the error e = target - T,

    k_p = P_sus/(target - switch-on)      while e < 0 (too hot)
    k_p = 2 P_sus/(target - switch-on)    otherwise
    k_i = k_pu/10, no derivative part, and the integral grows only while e < 0 (cut-off 0)
    granted = clamp(P_sus + k_p e + k_i I, 0, highest power)

so that 3 P_sus is granted at the switch-on temperature and P_sus at the target. With one actor,
the accelerator, dividing the grant is choosing the fastest state within it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cosim.design.power import StateFactors, ThermalPid
from cosim.machine.power.states import Reading, highest_within


class ThermalPidPolicy:
    """Attributes
    ----------
    granted_mw : float
        Power granted last.
    """

    def __init__(self, policy: ThermalPid) -> None:
        self._policy = policy
        span = policy.target_k - policy.switch_on_k
        self._hot = policy.sustainable_mw / span
        self._cool = 2 * policy.sustainable_mw / span
        self._integral_gain = self._cool / 10
        self._integral = 0.0
        self.granted_mw = 3 * policy.sustainable_mw

    def decide(self, reading: Reading, states: Sequence[StateFactors]) -> int:
        """The state from now on."""
        policy, now = self._policy, states[reading.state]
        if reading.temperature_k < policy.switch_on_k:
            self._integral = 0.0
            self.granted_mw = 3 * policy.sustainable_mw
            return 0
        most = states[0].power_mw(reading.dynamic_mw / now.dynamic, reading.static_mw / now.voltage)
        error = policy.target_k - reading.temperature_k
        if error < 0 and abs(self._integral_gain * (self._integral + error)) < most:
            self._integral += error
        proportional = (self._hot if error < 0 else self._cool) * error
        wanted = policy.sustainable_mw + proportional + self._integral_gain * self._integral
        self.granted_mw = min(max(wanted, 0.0), most)
        return highest_within(self.granted_mw, reading, states)

    def shown(self) -> dict[str, float]:
        """What to record beside power and state."""
        return {"granted power (mW)": self.granted_mw}
