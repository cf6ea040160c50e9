"""How much of a transfer's time is pure data movement, and how much latency.

A descriptor of the transfer tier has two rows (`cosim.mapping.transfer`): the DRAM's service
(latency, then data) and, if the channel's port or its outstanding requests are slower, the tail.
Data moves for as long as the slower of DRAM and port needs for the bytes; what exceeds that is
latency, exposed because too few requests are outstanding to hide it.
"""

from __future__ import annotations

import numpy as np

from cosim.analysis.task_table import Integers, TaskTable
from cosim.design.design import Design


def data_time(tasks: TaskTable, design: Design) -> Integers:
    """Picoseconds of data movement in each row of a transfer.

    Returns
    -------
    int64 array, shape (n_templates + 1, n_parts)
        Zero for templates that move nothing.
    """
    result = np.zeros((tasks.size, tasks.parts), np.int64)
    result[:, 0] = np.where(tasks.dram_bytes > 0, tasks.busy_ps, 0)
    if tasks.parts > 1:
        held, lane = tasks.tails
        ports = np.array([*(_port(design, name) for name in tasks.program.lanes), (1, 0)], np.int64)
        width, period = ports[lane].T
        port = -(-tasks.dram_bytes // width) * period
        tail = np.minimum(held, np.maximum(0, port - result[:, 0]))
        result[:, 1] = np.where((tasks.dram_bytes > 0) & (tasks.marks > 1), tail, 0)
    return result


def _port(design: Design, lane: str) -> tuple[int, int]:
    """Bytes a cycle, and picoseconds a cycle, of the port of the channel behind `lane`."""
    for channel in design.dma:
        if lane in (channel.name, f"{channel.name} load", f"{channel.name} store"):
            return channel.port_bytes_per_cycle, design.clock(channel.clock).period_ps
    return 1, 0
