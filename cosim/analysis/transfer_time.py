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
from cosim.mapping.program import Program, Step, StepKind, Template


def data_time(tasks: TaskTable, design: Design) -> Integers:
    """Picoseconds of data movement in each row of a transfer.

    Returns
    -------
    int64 array, shape (n_templates + 1, n_parts)
        Zero for templates that move nothing.
    """
    program = tasks.program
    result = np.zeros((len(tasks.infos), tasks.parts), np.int64)
    moves = tasks.dram_bytes > 0
    result[:, 0] = np.where(moves, tasks.busy_ps, 0)
    if tasks.parts > 1:
        for number in np.flatnonzero(moves & (tasks.marks > 1)).tolist():
            template = program.templates[number]
            tail = _held_for(program.clock_periods_ps, template.steps, 1)
            moved = int(tasks.dram_bytes[number])
            port = port_time(design, _lane(program, template), moved)
            result[number, 1] = min(tail, max(0, port - int(result[number, 0])))
    return result


def port_time(design: Design, lane: str, moved: int) -> int:
    """Picoseconds the port of the channel behind `lane` needs for `moved` bytes; 0 if none."""
    for channel in design.dma:
        if lane in (channel.name, f"{channel.name} load", f"{channel.name} store"):
            period = design.clock(channel.clock).period_ps
            return -(-moved // channel.port_bytes_per_cycle) * period
    return 0


def _lane(program: Program, template: Template) -> str:
    return next((program.lanes[s[1]] for s in template.steps if s[0] == StepKind.MARK), "")


def _held_for(periods: tuple[int, ...], steps: tuple[Step, ...], position: int) -> int:
    """Length of a template's HOLD number `position`, in picoseconds; 0 if it has none."""
    holds = [step[1] * periods[step[2]] for step in steps if step[0] == StepKind.HOLD]
    return holds[position] if len(holds) > position else 0
