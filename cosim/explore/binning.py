"""Values of an axis in groups of neighbours, where a sample has met each too rarely."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

RARELY = 2
"""Points of a value on average below which neighbours are put together."""
IN_A_GROUP, MOST_GROUPS = 5, 6


def grouped(
    values: Sequence[Hashable], order: Sequence[Hashable]
) -> tuple[list[Hashable], list[Hashable]]:
    """What to call the value of each point, and what these are called in their order.

    Parameters
    ----------
    values : sequence
        One for each point.
    order : sequence
        All values along the axis.
    """
    there = set(values)
    met = [value for value in order if value in there]
    if len(met) <= MOST_GROUPS or len(values) >= RARELY * len(met):
        return list(values), met
    groups = max(2, min(MOST_GROUPS, len(values) // IN_A_GROUP))
    label: dict[Hashable, str] = {}
    for group in range(groups):
        part = met[group * len(met) // groups : (group + 1) * len(met) // groups]
        label.update(dict.fromkeys(part, f"{part[0]} to {part[-1]}"))
    return [label[value] for value in values], [*dict.fromkeys(label.values())]
