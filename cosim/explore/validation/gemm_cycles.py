"""Kind ``gemm-cycles``: cycles a systolic array computes for one matrix product, ideal memory.

The product is mapped and run like any workload, on a catalogue design whose memory takes no time
and whose buffers hold whole operands; what is compared are the array's cycles of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

import cosim.design as designs
from cosim.analysis.summary import analyse
from cosim.design.design import Dataflow, Design
from cosim.explore.validation.case import CaseSpec, RowSpec
from cosim.explore.validation.kinds import Simulated, Told
from cosim.simulate import simulate as run
from cosim.workload.workload import (
    Access,
    Index,
    Kind,
    Loop,
    Op,
    Phase,
    Role,
    Tensor,
    Workload,
)

BASE = "edge-asic-16x16"
"""Its array is replaced by the row's; every 8-bit step takes a cycle there."""

Size = Annotated[int, Field(ge=1)]


class GemmRow(RowSpec):
    m: Size
    n: Size
    k: Size
    """The product is m x k by k x n."""
    rows: Size
    columns: Size
    """Processing elements of the array."""
    dataflow: Annotated[Dataflow, Field(strict=False)]


class CASE(CaseSpec):
    row: Annotated[list[GemmRow], Field(min_length=1)]


def simulate(case: CASE, folder: Path, told: Told) -> Sequence[Simulated]:
    """Cycles of the array, for each row."""
    values: list[Simulated] = []
    for done, row in enumerate(case.row):
        told(done / len(case.row))
        values.append(array_cycles(row.m, row.n, row.k, ideal(row.dataflow, row.rows, row.columns)))
    return values


def array_cycles(m: int, n: int, k: int, design: Design) -> int:
    """Cycles the array computes in a run of one 8-bit product."""
    done = run(product(m, n, k), design)
    analysis = analyse(done.program, design, done.result.timeline, done.result.makespan_ps)
    return int((analysis.task_counts * analysis.tasks.array_cycles[:-1]).sum())


@cache
def ideal(dataflow: Dataflow, rows: int, columns: int) -> Design:
    """A design with this array, memory that takes no time and buffers that hold everything."""
    base = designs.load(BASE)
    free = {"port_bytes_per_cycle": 4096, "latency": "0 s", "outstanding": 4096}
    roomy = {
        "size": "1 GiB",
        "width_bits": 65536,
        "read_energy": "0 pJ/bit",
        "write_energy": "0 pJ/bit",
        "static_power": "0 W",
    }
    changes: dict[str, object] = {
        "engine.array.dataflow": dataflow.value,
        "engine.array.rows": rows,
        "engine.array.columns": columns,
        "dram.bandwidth": "1000000 GB/s",
        "dram.latency": "0 s",
        "dram.efficiency": 1.0,
        "host.command_overhead": "0 s",
        **{f"dma.{c.name}.{key}": value for c in base.dma for key, value in free.items()},
        **{f"buffer.{b.name}.{key}": value for b in base.buffers for key, value in roomy.items()},
    }
    return designs.load(BASE, changes)


def product(m: int, n: int, k: int) -> Workload:
    """One product of an m x k by a k x n matrix of 8-bit integers."""
    shapes = {"a": ((m, k), Role.INPUT), "b": ((n, k), Role.WEIGHT), "c": ((m, n), Role.ACTIVATION)}
    tensors = tuple(
        Tensor(i, name, shape, "float32", 8, role, i, 0 if name == "c" else -1, 1, scheme="min-max")
        for i, (name, (shape, role)) in enumerate(shapes.items())
    )

    def access(tensor: int, *loops: str) -> Access:
        indices = tuple(Index(((loop, 1),), 0) for loop in loops)
        return Access(tensor, indices, tensors[tensor].shape)

    operation = Op(
        0, Kind.CONTRACTION, "matmul", "product", Phase.FORWARD, (0, 1), (2,),
        loops=(Loop("m", m), Loop("n", n), Loop("k", k)),
        accesses=(access(0, "m", "k"), access(1, "n", "k")), result=access(2, "m", "n"),
    )  # fmt: skip
    return Workload("product", tensors, (operation,))
