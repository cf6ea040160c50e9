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
from functools import cached_property

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


_LAST = len(Cause)
"""What stands for the cause of a successor where a row has none: the run's last."""

_OF_TRANSFER = np.empty((2, len(Cause) + 1), np.int64)
"""Label of a transfer by whether it writes and by what its successor waited for."""
_OF_TRANSFER[0], _OF_TRANSFER[1] = _LABEL["input"], _LABEL["output space"]
for _cause, _name in _BY_CAUSE.items():
    _OF_TRANSFER[:, _cause] = _LABEL[_name]
_OF_TRANSFER[1, _LAST] = _LABEL["output"]

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

_WAYS = 4
_WHOLE, _FILLS, _MOVES, _STALLS = range(_WAYS)
"""How the time of a row of some label is split further."""

_WAY_OF_LABEL = np.full(len(LABELS), _WHOLE)
_WAY_OF_LABEL[_LABEL["compute"]] = _FILLS
_WAY_OF_LABEL[_LABEL["input"]] = _MOVES
_WAY_OF_LABEL[_LABEL["vector"]] = _STALLS


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

    @cached_property
    def layer_ps(self) -> Integers:
        """Picoseconds of each layer and of what belongs to none, shape (n_layers + 1,)."""
        total: Integers = self.by_layer.sum(axis=1)
        return total

    @cached_property
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
    row = _PathRows(run, path)
    label = _labels(run.tasks, row)
    slowed = _slowed(run, path)
    own = row.time if slowed is None else row.time - slowed  # at the design's own clocks
    share, stall = _split(run.tasks, design, row, label)
    share = np.minimum(share, own)
    own = own - share
    stall = np.minimum(stall, own)
    by_layer = np.zeros((len(program.layers) + 1, len(LABELS)), np.int64)
    flat, first = by_layer.reshape(-1), run.tasks.layer[row.template] * len(LABELS)

    def add(which: Integers | int, time: Integers) -> None:
        # layer -1 is the last line
        np.add.at(flat, first + which, time * path.count if path.repetitions else time)

    add(label, own - stall)
    add(_SECOND[label], share)
    add(_LABEL["on-chip memory"], stall)
    if slowed is not None:
        add(_LABEL["throttled"], slowed)
    return Breakdown(path, label, by_layer, _waited_for_power(program, path, row))


class _PathRows:
    """Columns of the rows of a path, each of shape (n_path_rows,).

    `entry` is the place of a row's template and part in columns over both.
    """

    def __init__(self, run: DistinctRows, path: Path) -> None:
        at = path.position
        self.template = run.template[at]
        self.entry = self.template if run.tasks.parts == 1 else run.entry[at]
        self.component = run.component[at]
        self.cause = run.cause[at]
        self.time = run.durations[at]


def _slowed(run: DistinctRows, path: Path) -> Integers | None:
    """What lower clocks added to each row, None where there is one state only."""
    governing = run.tasks.program.governing
    if governing is None or len(governing.states) < 2:
        return None
    return slowed_ps(run.tasks, path.rows, run.part[path.position])


def _labels(tasks: TaskTable, row: _PathRows) -> Integers:
    of_component = np.array([_OF_KIND.get(k, _LABEL["host"]) for k in tasks.kind_names], np.int64)
    label: Integers = of_component.take(row.component, mode="clip")
    if tasks.refreshes is not None:
        label[tasks.refreshes[row.template]] = _LABEL["refresh"]
    moves = (label < 0).nonzero()[0]
    if len(moves):
        label[moves] = _transfer_labels(tasks, row, moves)
    return label


def _transfer_labels(tasks: TaskTable, row: _PathRows, moves: Integers) -> Integers:
    """Labels of the rows at positions `moves` of the path, which are transfers."""
    # what each row's successor waited for
    waited = np.empty(len(row.cause), np.int64)
    waited[:-1], waited[-1] = row.cause[1:], _LAST
    decides = (waited != int(Cause.SEQUENCE)).nonzero()[0]
    # a row whose successor followed in sequence inherits: look for the next that does not
    owner = decides[decides.searchsorted(moves)]
    direction = (tasks.written_bytes[row.template[owner]] > 0) * _OF_TRANSFER.shape[1]
    label: Integers = _OF_TRANSFER.reshape(-1)[direction + waited[owner]]
    return label


def _split(
    tasks: TaskTable, design: Design, row: _PathRows, label: Integers
) -> tuple[Integers, Integers]:
    """How much of a row's time belongs to the second label of its own, and to on-chip memory.

    Compute gives its fill and drain away, input its pure data movement; an engine stands still for
    a buffer, as mapping says.
    """
    # by how a label is split, template and part; what belongs to a task is in its first part
    split = np.zeros((2, _WAYS, tasks.size, tasks.parts), np.int64)
    split[0, _FILLS, :, 0] = tasks.fill_ps
    split[0, _MOVES] = data_time(tasks, design)
    split[1, _FILLS, :, 0] = split[1, _STALLS, :, 0] = tasks.stall_ps
    # rows of no template go to the end of some way, where nothing is
    which = _WAY_OF_LABEL[label] * (tasks.size * tasks.parts) + row.entry
    share, stall = split.reshape(2, -1).take(which, axis=1)
    return share, stall


def _waited_for_power(program: Program, path: Path, row: _PathRows) -> dict[str, int]:
    held = (row.cause[1:] == int(Cause.POWER)).nonzero()[0]
    if not len(held):
        return {}
    total = np.zeros(len(program.components) + 1, np.int64)
    rank = np.minimum(row.component[held], len(program.components))
    np.add.at(total, rank, row.time[held] * path.count[held])
    names = [component.name for component in program.components]
    return {name: t for name, t in zip(names, total.tolist(), strict=False) if t}
