"""Results that the machine's memory rounds to single precision."""

from __future__ import annotations

from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import tensors_of


def stored_singles(mapping: Mapping) -> frozenset[tuple[int, int]]:
    """(operation, position) of every result that lies in memory in 32-bit floating point.

    `cosim.workload.capture.record_values` rounds the reference there too: inside a group the
    vector unit computes wider.
    """
    tensors = tensors_of(mapping)
    found: set[tuple[int, int]] = set()
    for group in mapping.grouping.groups:
        for op in group.ops:
            for position, t in enumerate(op.outputs):
                tensor = tensors[t]
                if t in group.writes and tensor.dtype == "float32" and not tensor.scheme:
                    found.add((op.id, position))
    return frozenset(found)
