"""Tensors as rectangles: where in memory and from when to when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorBox:
    """One tensor's place (bytes) and time (picoseconds)."""

    name: str
    role: str
    where: str
    address: int
    bytes: int
    start_ps: int
    end_ps: int

    def alive(self, time_ps: int) -> bool:
        return self.start_ps <= time_ps < self.end_ps


@dataclass(frozen=True)
class TensorMap:
    """All tensors of a run.

    Attributes
    ----------
    boxes : tuple of TensorBox
    places : dict of str to int
        Memories (``dram``, ``resident``) and the bytes of address space used in each.
    peak_ps, peak_bytes : int
        The instant at which most is alive, and how much.
    """

    boxes: tuple[TensorBox, ...]
    places: dict[str, int]
    peak_ps: int
    peak_bytes: int

    def alive(self, time_ps: int) -> list[TensorBox]:
        """What is alive at an instant, largest first."""
        there = [box for box in self.boxes if box.alive(time_ps)]
        return sorted(there, key=lambda box: (-box.bytes, box.name))


def tensor_map(facts: Any, starts: NDArray[np.int64], makespan_ps: int) -> TensorMap:
    """The map from mapping's account of memory.

    Parameters
    ----------
    facts : mapping or None
        ``Program.facts["memory"]``.
    starts : int64 array, shape (n_layers,)
        When each group's work began.
    """
    if not isinstance(facts, Mapping) or not len(starts):
        return TensorMap((), {}, 0, 0)
    edges = [*starts.tolist(), makespan_ps]
    boxes = []
    for item in facts.get("placements", ()):
        first, last = int(item["first"]), int(item["last"])
        begin = edges[max(0, min(first, len(starts) - 1))]
        # alive until the next group's work begins
        end = max(begin, edges[min(last + 1, len(starts))])
        boxes.append(
            TensorBox(
                str(item["name"]), str(item["role"]), str(item["where"]),
                int(item["address"]), int(item["bytes"]), begin, end,
            )
        )  # fmt: skip
    places: dict[str, int] = {}
    for box in boxes:
        places[box.where] = max(places.get(box.where, 0), box.address + box.bytes)
    peak = int(facts.get("peak_group", 0))
    return TensorMap(
        tuple(boxes), dict(sorted(places.items())), edges[min(peak, len(starts) - 1)],
        int(facts.get("peak_bytes", 0)),
    )  # fmt: skip
