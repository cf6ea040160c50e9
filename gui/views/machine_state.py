"""What every part of the machine does, waits for and holds at one instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.timeline.causes import Cause
from gui.views.interval_store import LaneStore
from gui.views.lanes import ACTIVITIES, N_ACTIVITIES, NO_WAIT, WAITS
from gui.views.run_data import Run


@dataclass(frozen=True)
class PartState:
    """One component at one instant.

    Attributes
    ----------
    state : str
        ``busy``, ``waiting``, ``idle`` (between tasks without a named cause), ``not started`` or
        ``finished``.
    activity, layer : str
        Of what it does, or will do next.
    wait : Cause or None
        What it waits for.
    number : int
        Row that runs, or that it waits to begin; -1 if it has finished.
    start_ps, end_ps : int
        Of the state.
    utilisation : float
        Share of the window around the instant in which it is busy.
    """

    name: str
    kind: str
    state: str
    activity: str
    layer: str
    wait: Cause | None
    number: int
    start_ps: int
    end_ps: int
    utilisation: float
    holder: str = ""
    """Component whose interval it waits to end, where that is known."""


@dataclass(frozen=True)
class BufferState:
    """One on-chip buffer: bytes held and its size."""

    name: str
    bytes: float
    size: float


@dataclass(frozen=True)
class MachineState:
    """The whole machine at one instant."""

    time_ps: int
    parts: dict[str, PartState]
    buffers: dict[str, BufferState]
    power_mw: float | None
    dram_bytes_per_s: float | None


def machine_state(run: Run, time_ps: int, window_ps: tuple[int, int]) -> MachineState:
    """State of the machine of `run` at `time_ps`; utilisation is that of `window_ps`.

    Buffers and power are there once the run's counters have been made.
    """
    parts = {lane.lane.name: _part(run, lane, time_ps, window_ps) for lane in run.intervals.lanes}
    counters = run.counters if run.has("counters") else {}
    buffers = {}
    for buffer in run.design.buffers:
        counter = counters.get(f"buffer {buffer.name}")
        held = counter.at(time_ps) if counter else 0.0
        if counter or "resident" not in buffer.holds:
            buffers[buffer.name] = BufferState(buffer.name, held, float(buffer.size_bytes))
        else:
            resident = sum(
                box.bytes for box in run.tensors.boxes
                if box.where == "resident" and box.alive(time_ps)
            )  # fmt: skip
            buffers[buffer.name] = BufferState(
                buffer.name, float(resident), float(buffer.size_bytes)
            )
    return MachineState(
        time_ps,
        parts,
        buffers,
        counters["power"].at(time_ps) if "power" in counters else None,
        counters["DRAM bandwidth"].at(time_ps) if "DRAM bandwidth" in counters else None,
    )


def _part(run: Run, lane: LaneStore, time_ps: int, window_ps: tuple[int, int]) -> PartState:
    used = run.busy_share(lane.position, *window_ps)
    name, kind = lane.lane.name, lane.lane.kind
    position = lane.at(time_ps)
    state = "busy"
    if position < 0:
        position = lane.before(time_ps) + 1
        state = "waiting" if position else "not started"
    if position >= len(lane):
        return PartState(name, kind, "finished", "", "", None, -1, time_ps, run.makespan_ps, used)
    row = lane.rows(position, position + 1)
    outline, template = run.outline, int(row.template[0])
    wait = None
    if state != "busy" and int(row.wait[0]) != NO_WAIT:
        wait, state = WAITS[int(row.wait[0]) - N_ACTIVITIES], "waiting"
    elif state == "waiting":
        state = "idle"
    begin, end = int(row.start[0]), int(row.end[0])
    if state != "busy":
        begin, end = int(row.wait_start[0]), begin
    return PartState(
        name, kind, state, ACTIVITIES[int(row.category[0])], outline.layer_name(template), wait,
        int(row.number[0]), begin, end, used, _holder(run, int(row.number[0])) if wait else "",
    )  # fmt: skip


def _holder(run: Run, number: int) -> str:
    """Component whose interval's end lets row `number` start."""
    cause_row = int(run.timeline.take(np.array([number])).cause_row[0])
    if cause_row < 0:
        return ""
    holder = int(run.timeline.take(np.array([cause_row])).component[0])
    return run.outline.components[holder]


def next_event(run: Run, time_ps: int, backwards: bool = False) -> int:
    """The next instant (or the one before) at which any interval starts or ends."""
    best: int | None = None
    for lane in run.intervals.lanes:
        first, stop = lane.span(time_ps - 1, time_ps + 1)
        rows = lane.rows(max(0, first - 2), min(len(lane), stop + 2))
        edges = [int(t) for t in (*rows.start.tolist(), *rows.end.tolist())]
        wanted = [t for t in edges if (t < time_ps if backwards else t > time_ps)]
        if wanted:
            nearest = max(wanted) if backwards else min(wanted)
            if best is None or (nearest > best if backwards else nearest < best):
                best = nearest
    if best is None:
        return 0 if backwards else run.makespan_ps
    return best
