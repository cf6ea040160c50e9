"""What mapping knows of a workload whatever the design, for as long as the workload lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeVar

from cosim.workload.workload import Workload

KNOWN_OF_A_WORKLOAD = 256
"""Facts that are remembered of each."""

Kept = TypeVar("Kept")
Known = dict[object, object]

_prepared: dict[int, tuple[weakref.ref[Workload], Known]] = {}
"""By identity of the workload."""


def known_of(workload: Workload) -> Known:
    """The memo of a workload; it goes when the workload goes."""
    entry = _prepared.get(id(workload))
    if entry is None or entry[0]() is not workload:
        number, memos = id(workload), _prepared  # modules are emptied before the last workloads go
        gone = weakref.ref(workload, lambda _: memos.pop(number, None))
        entry = _prepared[number] = (gone, {})
    return entry[1]


def remember(known: Known, key: object, make: Callable[[], Kept]) -> Kept:
    """What is known under `key`, made now if nothing is."""
    found = known.get(key)
    if found is None:
        found = make()
        if len(known) >= KNOWN_OF_A_WORKLOAD:
            known.clear()
        known[key] = found
    return found  # type: ignore[return-value]
