"""Results that the machine's memory rounds to single precision."""

from __future__ import annotations

from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import tensors_of


def stored_singles(mapping: Mapping) -> frozenset[tuple[int, int]]:
    """(operation, position) of every result that lies in memory in 32-bit floating point.

    Those of groups, and those that deployment made and groups read.

    `cosim.workload.capture.record_values` rounds the reference there too: inside a group the
    vector unit computes wider.
    """
    tensors = tensors_of(mapping)
    grouping = mapping.grouping
    read = {t for group in grouping.groups for t in group.reads}
    offline = set(grouping.offline)
    written = [(op, set(group.writes)) for group in grouping.groups for op in group.ops]
    written += [(op, read) for op in mapping.workload.ops if op.id in offline]
    return frozenset(
        (op.id, position)
        for op, kept in written for position, t in enumerate(op.outputs)
        if t in kept and tensors[t].dtype == "float32" and not tensors[t].scheme
    )  # fmt: skip
