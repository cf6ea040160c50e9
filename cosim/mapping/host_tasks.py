"""What the host does itself: groups that no engine can run, and its work on every sample."""

from __future__ import annotations

from cosim.mapping.drafts import Steps
from cosim.mapping.lower_vector import VectorTask
from cosim.mapping.program import Step, StepKind, TaskInfo
from cosim.mapping.row_gather import row_gather
from cosim.mapping.streams import HOST, Streams, acquire, release, repeat
from cosim.mapping.transfer import transfer
from cosim.workload.workload import Tensor


def emit_host(streams: Streams, task: VectorTask, before: Steps, after: Steps) -> None:
    """The host runs the group itself: memory traffic through the DRAM, then scalar work.

    `before` and `after` are steps of waits and signals.
    """
    design = streams.design
    host = design.host
    read = sum(_read_by_host(task, t) for t in task.loads)
    written = sum(t.bytes for t in task.stores)
    steps: list[Step] = list(before)
    lane = streams.lanes[HOST]
    if streams.by_bursts:
        steps += [(int(StepKind.SERVE), 0, 0, 0), (int(StepKind.MARK), lane, 0, 0)]
    else:
        moved = transfer(design, streams.load["input"], max(1, read + written), 1)
        steps += [acquire(streams.pool_of["dram"], 1, 3)]
        steps += [(int(StepKind.HOLD), moved.service_ps, 0, 0), (int(StepKind.MARK), lane, 0, 0)]
        steps.append(release(streams.pool_of["dram"], 1))
    duration = max(1, round(task.operations * 1e12 / host.operations_per_s))
    steps += [(int(StepKind.HOLD), duration, 0, 0), (int(StepKind.MARK), lane, 0, 0)]
    steps += after
    bits = 8 * design.dram.read_pj_per_bit * read + 8 * design.dram.write_pj_per_bit * written
    energy = (
        ("host", "", host.energy_pj_per_operation * task.operations
         + host.active_mw * duration / 1000),
        ("dram", "activation", bits),
    )  # fmt: skip
    info = TaskInfo(
        task.group, "host", task.macs, 0, 0, read, written, "activation",
        tuple(entry for entry in energy if entry[2]),
    )  # fmt: skip
    streams.do(HOST, (streams.template(steps, info),))


def _read_by_host(task: VectorTask, tensor: Tensor) -> int:
    """Bytes of an operand: all, or the rows that a gather picks."""
    gather = row_gather(task.ops[0], task.tensors) if len(task.ops) == 1 else None
    if gather is None or gather.table != tensor.id:
        return tensor.bytes
    return gather.read_bytes(tensor.bits)


def emit_preparation(streams: Streams, samples: int) -> None:
    """The host's work on every sample before it issues the first command."""
    host = streams.design.host
    if not host.preparation_ps:
        return
    steps = [(int(StepKind.HOLD), host.preparation_ps, 0, 0)]
    steps.append((int(StepKind.MARK), streams.lanes[HOST], 0, 0))
    energy = (("host", "", host.active_mw * host.preparation_ps / 1000),)
    info = TaskInfo(-1, "prepare", energy=tuple(e for e in energy if e[2]))
    streams.do(HOST, repeat(samples, (streams.template(steps, info),)))
