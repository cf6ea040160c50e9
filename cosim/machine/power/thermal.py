"""Junction temperature: Foster pairs, updated exactly over intervals of constant power.

For each pair the rise x obeys C dx/dt = P - x/R, so after a time t of constant power P

    x(t) = x(0) exp(-t/RC) + P R (1 - exp(-t/RC)),

and the junction is at the ambient temperature plus the sum of the rises. No solver, no step that
could be too large. Leakage is taken at the temperature at which an interval begins.
"""

from __future__ import annotations

from math import exp, exp2, expm1, inf

from cosim.design.power import ThermalNetwork


class ThermalModel:
    """The state of one thermal network.

    Parameters
    ----------
    network : ThermalNetwork
        The run begins at `initial_k`; the rise above the ambient is shared among the pairs in
        proportion to their resistances, as after a long time at constant power.
    """

    def __init__(self, network: ThermalNetwork) -> None:
        self.network = network
        total = sum(resistance for resistance, _ in network.pairs)
        rise = network.initial_k - network.ambient_k
        self.rises = [rise * resistance / total for resistance, _ in network.pairs]

    @property
    def temperature_k(self) -> float:
        """Temperature of the junction."""
        return self.network.ambient_k + sum(self.rises)

    def advance(self, power_w: float, seconds: float) -> None:
        """Let `seconds` pass at constant power."""
        for number, (resistance, capacity) in enumerate(self.network.pairs):
            share = -seconds / (resistance * capacity)
            self.rises[number] = self.rises[number] * exp(share) - power_w * resistance * expm1(
                share
            )

    def steady_k(self, power_w: float) -> float:
        """Temperature after a long time at constant power, leakage not counted."""
        return self.network.ambient_k + power_w * sum(r for r, _ in self.network.pairs)

    def static_factor(self) -> float:
        """Factor on the design's static power at the present temperature."""
        return static_factor(self.network, self.temperature_k)


def static_factor(network: ThermalNetwork, temperature_k: float) -> float:
    """Factor on static power: its leakage doubles every `leakage_doubling_k`."""
    rise = temperature_k - network.leakage_reference_k
    return 1.0 + network.leakage_share * (exp2(rise / network.leakage_doubling_k) - 1.0)


def steady_with_leakage_k(network: ThermalNetwork, dynamic_w: float, static_w: float) -> float:
    """Temperature at which heating and cooling balance, leakage counted; infinite if they never do.

    Heat from leakage grows exponentially and what flows off linearly. Starting from the ambient
    the temperature rises to the lower of the points at which they meet; if they do not meet, it
    runs away.
    """
    resistance = sum(r for r, _ in network.pairs)
    temperature = network.ambient_k
    for _ in range(100_000):
        heat = dynamic_w + static_w * static_factor(network, temperature)
        following = network.ambient_k + resistance * heat
        if following > network.ambient_k + 1000.0:
            return inf
        if abs(following - temperature) < 1e-9:
            return following
        temperature = following
    return temperature
