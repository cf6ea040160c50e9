"""Where the latency went: the critical path split by cause and by layer, to the picosecond.

Each interval of the critical path is labelled by what it contributes:

===============  =============================================================================
label            what it is
===============  =============================================================================
compute          the array streams operands
fill/drain       the array fills and drains its pipeline, or loads its stationary operand
on-chip memory   the array or the vector unit stands still because a buffer cannot keep up
vector           the vector unit works
host             the host prepares a command, or computes what no engine can
bandwidth        moving bytes for what waits on them, at the rate of the DRAM or of the port
input            the rest of such a transfer: latencies and outstanding-request limits
output space     a store that had to free the output buffer first
input space      a transfer that had to free an input buffer first
DRAM busy        another channel's transfer that held the DRAM
refresh          the DRAM refreshed
power            a task that held the power budget which a transfer waited for
throttled        a governor lowered the clock (what that adds to an interval), or held a task back:
                 a refill of its tokens, a checkpoint, charging, a restore
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

from cosim.analysis.distinct_rows import DistinctRows, Source, distinct_rows
from cosim.analysis.operating_states import slowed_ps
from cosim.analysis.path import Path, path_of
from cosim.analysis.task_table import Integers, TaskTable
from cosim.analysis.transfer_time import data_time
from cosim.design.design import Design
from cosim.mapping.program import Program
from cosim.timeline.causes import Cause

LABELS = (
    "compute",
    "fill/drain",
    "on-chip memory",
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


_NOTHING = int(Cause.START)
_OF_CAUSE = np.full(len(Cause), -1, np.int64)
for _cause, _name in _BY_CAUSE.items():
    _OF_CAUSE[_cause] = _LABEL[_name]

_OF_KIND = {
    "engine": _LABEL["compute"],
    "vector": _LABEL["vector"],
    "refresh": _LABEL["refresh"],
    "dram": _LABEL["DRAM busy"],
    "dma": -1,
    "external": -1,
    "governor": _LABEL["throttled"],
}
"""Label of a component's rows by its kind, -1 for transfers; all others are the host's."""

_SECOND = np.arange(len(LABELS))
_SECOND[_LABEL["compute"]] = _LABEL["fill/drain"]
_SECOND[_LABEL["input"]] = _LABEL["bandwidth"]


@dataclass(frozen=True)
class Breakdown:
    """A partition of the makespan.

    Attributes
    ----------
    path : Path
        The critical path.
    label : int64 array, shape (n_path_rows,)
        Index into `LABELS` of each of its rows (of the larger part, where a row is split).
    by_layer : int64 array, shape (n_layers + 1, n_labels)
        Picoseconds of each label in each layer; the last line is what belongs to no layer.
    waited_for_power_ps : dict of str to int
        Per component: time on the path of rows whose successor waited for the power they held.
    """

    path: Path
    label: Integers
    by_layer: Integers
    waited_for_power_ps: dict[str, int]

    @property
    def by_cause(self) -> dict[str, int]:
        """Picoseconds of every label that occurs, in the order of `LABELS`."""
        totals = self.by_layer.sum(axis=0).tolist()
        return {name: t for name, t in zip(LABELS, totals, strict=True) if t}

    @property
    def total_ps(self) -> int:
        return int(self.by_layer.sum())


def latency_breakdown(program: Program, design: Design, source: Source) -> Breakdown:
    """Split the makespan of a whole timeline by cause and layer.

    Returns
    -------
    Breakdown
        Whose entries sum to the makespan exactly.
    """
    run = distinct_rows(program, source)
    path = path_of(run)
    label = _labels(run.tasks, path)
    time = path.rows.duration
    slowed = slowed_ps(run.tasks, path.rows, run.part[path.position])
    own = time - slowed  # what the rows would have taken at the design's own clocks
    second, share = _second_label(run, design, path, label, own)
    layer = run.tasks.layer[path.rows.template]
    by_layer = np.zeros((len(program.layers) + 1, len(LABELS)), np.int64)
    stall = _stalls(run, path, label, own - share)
    flat, first = by_layer.reshape(-1), layer % len(by_layer) * len(LABELS)
    np.add.at(flat, first + label, (own - share - stall) * path.count)
    np.add.at(flat, first + second, share * path.count)
    np.add.at(flat, first + _LABEL["on-chip memory"], stall * path.count)
    np.add.at(flat, first + _LABEL["throttled"], slowed * path.count)
    return Breakdown(path, label, by_layer, _waited_for_power(program, path, time))


def _labels(tasks: TaskTable, path: Path) -> Integers:
    of_component = np.array([_OF_KIND.get(k, _LABEL["host"]) for k in tasks.kind_names], np.int64)
    label: Integers = of_component[np.minimum(path.rows.component, len(of_component) - 1)]
    label = np.where(tasks.refreshes[path.rows.template], _LABEL["refresh"], label)
    moves = np.flatnonzero(label < 0)
    if len(moves):
        label[moves] = _transfer_labels(tasks, path, moves)
    return label


def _transfer_labels(tasks: TaskTable, path: Path, moves: Integers) -> Integers:
    """Labels of the rows at positions `moves` of the path, which are transfers."""
    last = len(path.position) - 1
    # what each row's successor waited for; the last row has none
    waited = np.append(path.rows.cause[1:], _NOTHING)
    decides = np.flatnonzero(waited != int(Cause.SEQUENCE))
    # a row whose successor followed in sequence inherits: look for the next that does not
    owner = decides[np.searchsorted(decides, moves)]
    writes = tasks.written_bytes[path.rows.template[owner]] > 0
    by_direction = np.where(writes, _LABEL["output space"], _LABEL["input"])
    label = _OF_CAUSE[waited[owner]]
    label = np.where(label >= 0, label, by_direction)
    return np.where((owner == last) & writes, _LABEL["output"], label)


def _second_label(
    run: DistinctRows, design: Design, path: Path, label: Integers, time: Integers
) -> tuple[Integers, Integers]:
    """What a row's time is split into beside its own label, and how much of it.

    Compute gives its fill and drain away, input its pure data movement.
    """
    tasks, template, part = run.tasks, path.rows.template, run.part[path.position]
    share = np.zeros(len(label), np.int64)
    computes = np.flatnonzero((label == _LABEL["compute"]) & (part == 0))
    share[computes] = tasks.fill_ps[template[computes]]
    feeds = np.flatnonzero(label == _LABEL["input"])
    if len(feeds):
        share[feeds] = data_time(tasks, design)[template[feeds], part[feeds]]
    return _SECOND[label], np.minimum(share, time)


def _stalls(run: DistinctRows, path: Path, label: Integers, time: Integers) -> Integers:
    """How much of each row's `time` an engine stood still for a buffer, as mapping says."""
    works = (label == _LABEL["compute"]) | (label == _LABEL["vector"])
    works &= run.part[path.position] == 0
    return np.where(works, np.minimum(run.tasks.stall_ps[path.rows.template], time), 0)


def _waited_for_power(program: Program, path: Path, time: Integers) -> dict[str, int]:
    held = np.flatnonzero(path.rows.cause[1:] == int(Cause.POWER))
    total = np.zeros(len(program.components) + 1, np.int64)
    rank = np.minimum(path.rows.component[held], len(program.components))
    np.add.at(total, rank, time[held] * path.count[held])
    names = [component.name for component in program.components]
    return {name: t for name, t in zip(names, total.tolist(), strict=False) if t}
