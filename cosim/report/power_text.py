"""A run's power policy in a few lines: name, figure, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.report import quantities as q

Line = tuple[str, str, str]


def power_lines(summary: Mapping[str, Any]) -> list[Line]:
    """Lines on what a power governor saw and did; none without one."""
    policy = summary.get("power_policy")
    if not policy:
        return []
    latency = summary["latency_s"] or 1.0
    lines: list[Line] = [("power policy", policy["kind"], f"{policy['samples']} samples")]
    states = {
        name.removeprefix("time in state ").removesuffix(" (s)"): time
        for name, time in policy.items()
        if name.startswith("time in state ")
    }
    if len(states) > 1:
        shares = ", ".join(f"{name} {q.percent(time / latency)}" for name, time in states.items())
        lines.append(("clock states", "", shares))
    if "temperature_c" in policy:
        lines.append(_extent("temperature", policy["temperature_c"], "°C"))
    if "long_average_mw" in policy:
        highest = policy["long_average_mw"]["highest"]
        lines.append(("long average", q.watts(highest / 1e3), "at its highest"))
    if "charge_percent" in policy:
        lines.append(_extent("battery charge", policy["charge_percent"], "%"))
    if "power cycles" in policy:
        lines += _capacitor(policy, latency)
    return lines


def _extent(name: str, found: Mapping[str, float], unit: str) -> Line:
    text = f"from {found['lowest']:.4g} to {found['highest']:.4g} {unit}"
    return (name, f"{found['last']:.4g} {unit}", f"at the end, {text}")


def _capacitor(policy: Mapping[str, Any], latency: float) -> list[Line]:
    energy = policy["energy_j"]
    taken = energy["initial"] + energy["harvested"]
    gone = (
        "tasks", "static", "leaked", "checkpoints", "restores", "lost work", "spilled", "stored",
    )  # fmt: skip
    shares = ", ".join(f"{name} {q.percent(energy[name] / taken)}" for name in gone if energy[name])
    times = ("on", "checkpoint", "charging", "restore", "lost work")
    phases = ", ".join(
        f"{name} {q.percent(policy[f'time {name} (s)'] / latency)}"
        for name in times
        if policy[f"time {name} (s)"] or name == "on"
    )
    return [
        ("power cycles", f"{policy['power cycles']:.0f}", phases),
        ("harvest", q.joules(energy["harvested"]), f"with what was stored it went to {shares}"),
        _extent("capacitor", policy["capacitor_voltage_v"], "V"),
    ]
