"""Measured shares of zeros in a workload's tensors.

Nothing of a capture says which values are zero; who has measured it says so by layer. Machines
that code runs of zeros, or gate the work for them, take it from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cosim.errors import CosimError, nearest
from cosim.workload.workload import Role, Workload

INPUT = "input"
"""Name under which the share of the network's input is told."""


def with_zeros(workload: Workload, shares: Mapping[str, float]) -> Workload:
    """`workload` with the shares of zeros in what some layers write.

    Parameters
    ----------
    shares : mapping
        Layer, or ``input``, to share, 0 to 1.

    Raises
    ------
    CosimError
        For a layer that the workload does not have.
    """
    layers = {op.layer for op in workload.ops}
    for name in shares:
        if name not in layers and name != INPUT:
            raise CosimError(
                f"zeros of a layer '{name}' that is not there",
                expected="layers of the network, or input",
                nearest=nearest(name, [INPUT, *layers]),
            )
    written = {t: shares[op.layer] for op in workload.ops if op.layer in shares for t in op.outputs}
    if INPUT in shares:
        written |= {t.id: shares[INPUT] for t in workload.tensors if t.role is Role.INPUT}
    tensors = tuple(
        replace(tensor, zeros=written[tensor.id]) if tensor.id in written else tensor
        for tensor in workload.tensors
    )
    return replace(workload, tensors=tensors)
