"""Where the latency went: the critical path split by cause and by layer, to the picosecond.

Each interval of the critical path is labelled by what it contributes:

===============  =============================================================================
label            what it is
===============  =============================================================================
compute          the array streams operands
fill/drain       the array fills and drains its pipeline, or loads its stationary operand
vector           the vector unit works
host             the host prepares a command, or computes what no engine can
bandwidth        moving bytes for what waits on them, at the rate of the DRAM or of the port
input            the rest of such a transfer: latencies and outstanding-request limits
output space     a store that had to free the output buffer first
input space      a transfer that had to free an input buffer first
DRAM busy        another channel's transfer that held the DRAM
refresh          the DRAM refreshed
power            a task that held the power budget which a transfer waited for
throttled        a governor lowered the clock
dependency       a transfer that another operation's data waited for
output           the last store of the run
===============  =============================================================================

A transfer on the path is labelled by why its successor waited for it; one whose successor is the
next transfer of the same channel takes that one's label (so does a component that a user
attached). Compute stays compute whatever its
successor waited for, but what waited for the power it held is counted in `waited_for_power_ps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.critical_path import critical_path
from cosim.analysis.task_table import Integers, TaskTable, row_parts
from cosim.analysis.transfer_time import data_time
from cosim.design.design import Design
from cosim.mapping.program import Program
from cosim.timeline.causes import Cause
from cosim.timeline.rows import Rows

LABELS = (
    "compute",
    "fill/drain",
    "vector",
    "host",
    "bandwidth",
    "input",
    "output space",
    "input space",
    "DRAM busy",
    "refresh",
    "power",
    "throttled",
    "dependency",
    "output",
)
"""Every label of the breakdown, in the order in which tables and pictures show them."""

_LABEL = {name: position for position, name in enumerate(LABELS)}

_BY_CAUSE = {
    Cause.INPUT: "input",
    Cause.OUTPUT_SPACE: "output space",
    Cause.INPUT_SPACE: "input space",
    Cause.DRAM_BUSY: "DRAM busy",
    Cause.REFRESH: "refresh",
    Cause.BANDWIDTH: "bandwidth",
    Cause.POWER: "power",
    Cause.THROTTLED: "throttled",
    Cause.DEPENDENCY: "dependency",
}
"""Label of a transfer by what its successor on the path waited for; others go by direction."""


@dataclass(frozen=True)
class Breakdown:
    """A partition of the makespan.

    Attributes
    ----------
    path : int64 array, shape (n_path,)
        Positions of the critical path's rows in the timeline.
    label : int64 array, shape (n_path,)
        Index into `LABELS` of each (of its larger part, where a row is split).
    by_layer : int64 array, shape (n_layers + 1, n_labels)
        Picoseconds of each label in each layer; the last line is what belongs to no layer.
    waited_for_power_ps : dict of str to int
        Per component: time on the path of rows whose successor waited for the power they held.
    """

    path: Integers
    label: Integers
    by_layer: Integers
    waited_for_power_ps: dict[str, int]

    @property
    def by_cause(self) -> dict[str, int]:
        """Picoseconds of every label that occurs, in the order of `LABELS`."""
        totals = self.by_layer.sum(axis=0)
        return {name: int(t) for name, t in zip(LABELS, totals, strict=True) if t}

    @property
    def total_ps(self) -> int:
        return int(self.by_layer.sum())


def latency_breakdown(program: Program, design: Design, rows: Rows) -> Breakdown:
    """Split the makespan of a whole timeline by cause and layer.

    Returns
    -------
    Breakdown
        Whose entries sum to the makespan exactly.
    """
    tasks = TaskTable(program)
    path = critical_path(program, rows)
    on_path = rows.select(path)
    label = _labels(tasks, on_path)
    duration = on_path.duration
    layer = tasks.layer[on_path.template]
    part = row_parts(rows)[path]

    second, share = _second_label(tasks, design, on_path, part, label)
    by_layer = np.zeros((len(program.layers) + 1, len(LABELS)), np.int64)
    np.add.at(by_layer, (layer, label), duration - share)
    np.add.at(by_layer, (layer, second), share)
    return Breakdown(path, label, by_layer, _waited_for_power(program, on_path))


def _labels(tasks: TaskTable, on_path: Rows) -> Integers:
    kind = tasks.kinds(on_path)
    count = len(on_path)
    label = np.full(count, _LABEL["host"], np.int64)
    label[kind == "engine"] = _LABEL["compute"]
    label[kind == "vector"] = _LABEL["vector"]
    label[np.isin(kind, ("refresh", "dram"))] = _LABEL["refresh"]
    moving = np.isin(kind, ("dma", "external"))
    label[moving] = _transfer_labels(tasks, on_path)[moving]
    return label


def _transfer_labels(tasks: TaskTable, on_path: Rows) -> Integers:
    """For every row of the path the label it has if it is a transfer."""
    count = len(on_path)
    if not count:
        return np.empty(0, np.int64)
    of_cause = np.full(max(Cause) + 1, -1, np.int64)
    for cause, name in _BY_CAUSE.items():
        of_cause[cause] = _LABEL[name]
    writes = np.array([info.dram_write_bytes > 0 for info in tasks.infos])[on_path.template]
    by_direction = np.where(writes, _LABEL["output space"], _LABEL["input"])

    waited = on_path.cause[1:]
    label = np.where(of_cause[waited] >= 0, of_cause[waited], by_direction[:-1])
    label = np.append(label, _LABEL["output"] if writes[-1] else _LABEL["input"])
    inherits = np.append(waited == Cause.SEQUENCE, False)
    # the next row that does not inherit: a backward fill
    owner = np.where(inherits, count, np.arange(count))
    owner = np.minimum.accumulate(owner[::-1])[::-1]
    filled: Integers = label[owner]
    return filled


def _second_label(
    tasks: TaskTable, design: Design, on_path: Rows, part: Integers, label: Integers
) -> tuple[Integers, Integers]:
    """What a row's time is split into beside its own label, and how much of it.

    Compute gives its fill and drain away, input its pure data movement.
    """
    duration = on_path.duration
    second = label.copy()
    share = np.zeros(len(label), np.int64)

    compute = label == _LABEL["compute"]
    fill = np.where(part == 0, tasks.fill_ps[on_path.template], 0)
    second[compute] = _LABEL["fill/drain"]
    share[compute] = np.minimum(fill, duration)[compute]

    fed = label == _LABEL["input"]
    moving = data_time(tasks, design)[on_path.template, np.minimum(part, tasks.parts - 1)]
    second[fed] = _LABEL["bandwidth"]
    share[fed] = np.minimum(moving, duration)[fed]
    return second, share


def _waited_for_power(program: Program, on_path: Rows) -> dict[str, int]:
    held = np.append(on_path.cause[1:] == Cause.POWER, False)[: len(on_path)]
    total: dict[str, int] = {}
    for rank, component in enumerate(program.components):
        time = int(on_path.duration[held & (on_path.component == rank)].sum())
        if time:
            total[component.name] = time
    return total


@dataclass(frozen=True)
class ComponentTime:
    """What one component did with the whole of the run.

    `idle_ps` maps a cause to the time spent waiting for it; ``finished`` is the time after its
    last interval. Busy and idle sum to the makespan exactly.
    """

    name: str
    kind: str
    rows: int
    busy_ps: int
    idle_ps: dict[str, int]


def component_times(program: Program, rows: Rows, makespan_ps: int) -> list[ComponentTime]:
    """Busy and idle time, by cause, of every component in rank order."""
    result = []
    for rank, component in enumerate(program.components):
        mine = rows.select(np.flatnonzero(rows.component == rank))
        start = np.minimum(mine.start, makespan_ps)
        end = np.minimum(mine.end, makespan_ps)
        before = np.concatenate([np.zeros(1, np.int64), end])[: len(mine)]
        waited = np.zeros(max(Cause) + 1, np.int64)
        np.add.at(waited, mine.cause, start - before)
        idle = {cause.label: int(waited[cause]) for cause in Cause if waited[cause]}
        finished = makespan_ps - (int(end[-1]) if len(mine) else 0)
        if finished:
            idle["finished"] = finished
        busy = int((end - start).sum())
        result.append(ComponentTime(component.name, component.kind, len(mine), busy, idle))
    return result


def path_mask(path: Integers, count: int) -> NDArray[np.bool_]:
    """True for the rows of a timeline of `count` rows that lie on the critical path."""
    mask = np.zeros(count, bool)
    mask[path] = True
    return mask
