"""Peak memory as stacked bars by tensor role: one bar a workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cosim.analysis.memory import ROLES
from cosim.report.palette import role_colour
from cosim.report.quantities import percent, size
from cosim.report.svg import Svg, shortened

WIDTH, LEFT, RIGHT, BAR, GAP = 960.0, 240.0, 72.0, 20.0, 8.0


def memory_bars(named: Sequence[tuple[str, Mapping[str, int]]], description: str) -> str:
    """Bars on one axis of bytes; each mapping is role to bytes at the peak."""
    largest = max((sum(parts.values()) for _, parts in named), default=0) or 1
    svg = Svg(WIDTH, len(named) * (BAR + GAP) + 4, description)
    scale = (WIDTH - LEFT - RIGHT) / largest
    for position, (name, parts) in enumerate(named):
        y = 2 + position * (BAR + GAP)
        svg.text(LEFT - 8, y + 14, shortened(name, LEFT - 12, 12), anchor="end", title=name)
        x, total = LEFT, sum(parts.values())
        for role in ordered(parts):
            width = parts[role] * scale
            tip = f"{role}: {size(parts[role])}, {percent(parts[role] / total)} of {name}"
            svg.rectangle(x, y, width, BAR, role_colour(role), title=tip)
            x += width
        svg.text(x + 6, y + 14, size(total))
    return svg.render()


def ordered(roles: Mapping[str, int]) -> list[str]:
    """Roles with bytes, in the order of the stack."""
    return [r for r in ROLES if roles.get(r)] + sorted(r for r in roles if r not in ROLES)
