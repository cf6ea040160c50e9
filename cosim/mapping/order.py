"""Which task waits for which group: dependencies as tokens between components.

A component runs its tasks in order, so it needs to wait for the latest group of each other
component only; a group gives a token with the last task of the component that finishes it. Waits
are for data (read after write) and for space (write after read: in-place updates and addresses
that another tensor held before).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cosim.mapping.residency import MemoryMap


@dataclass
class Ordering:
    """Waits and signals under construction, then as pool names."""

    finisher: list[str]
    """Component that finishes each group."""
    _awaited: dict[tuple[str, str], int] = field(default_factory=dict)
    waits: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    """(group, key of the waiting task) -> pools to take a token from."""
    signals: dict[int, list[str]] = field(default_factory=dict)
    """Group -> pools to give a token to when it is finished."""

    def wait(self, group: int, component: str, key: str, on: int) -> None:
        """`component` must not start the task `key` of `group` before group `on` is finished."""
        source = self.finisher[on]
        if source == component or on >= group:
            return
        if self._awaited.get((source, component), -1) >= on:
            return
        self._awaited[(source, component)] = on
        pool = f"done {source} > {component}"
        self.waits.setdefault((group, key), []).append(pool)
        self.signals.setdefault(on, []).append(pool)


def reused_addresses(memory: MemoryMap) -> dict[int, set[int]]:
    """Storage -> groups that must be finished before its place may be written.

    The last users of whatever lay at an overlapping address before.
    """
    result: dict[int, set[int]] = {}
    for resident in (False, True):
        items = [s for s in memory.storages.values() if s.resident is resident and s.bytes]
        if len(items) < 2:
            continue
        low = np.array([s.address for s in items])
        high = low + np.array([s.bytes for s in items])
        first = np.array([s.first if not s.resident else min(s.readers + s.writers)
                          for s in items])  # fmt: skip
        last = np.array([max(s.readers + s.writers, default=-1) for s in items])
        for i, storage in enumerate(items):
            before = (low < high[i]) & (low[i] < high) & (last < first[i]) & (last >= 0)
            if before.any():
                # One earlier group a finisher is enough; keep all, `Ordering` drops the rest.
                result[storage.id] = {int(g) for g in np.unique(last[before])}
    return result
