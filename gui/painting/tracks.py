"""The lines of the timeline from top to bottom: groups, lanes, counters, and their places."""

from __future__ import annotations

from dataclasses import dataclass

from gui.views.counter_store import Counter
from gui.views.interval_store import LaneStore
from gui.views.lanes import GROUPS
from gui.views.run_data import Run
from gui.views.view import View

GROUP_HEIGHT = 18
LANE_HEIGHT = 26
COUNTER_HEIGHT = 36
RULER_HEIGHT = 20
BAND_HEIGHT = 20
HEADER_WIDTH = 168
PINNED = "pinned"

GROUP_OF_COUNTER = {"DRAM bandwidth": "DRAM", "power": "power"}


@dataclass(frozen=True)
class Track:
    """One line: a group's heading, a lane or a counter. `y` counts from the first track."""

    kind: str
    name: str
    group: str
    y: float
    height: float
    lane: LaneStore | None = None
    counter: Counter | None = None

    @property
    def key(self) -> str:
        """What the line is called in a view: counters and lanes may share a name."""
        return self.name


def tracks(view: View, run: Run) -> list[Track]:
    """All lines of a view, hidden and collapsed ones left out, pinned ones first."""
    counters = dict(run.counters) if view.counters and run.has("counters") else {}
    members: dict[str, list[Track]] = {group: [] for group in (PINNED, *GROUPS)}
    for lane in run.intervals.lanes:
        _place(members, view, Track("lane", lane.lane.name, lane.lane.group, 0, LANE_HEIGHT, lane))
    for name, counter in counters.items():
        group = GROUP_OF_COUNTER.get(name, "buffers" if name.startswith("buffer ") else "power")
        track = Track("counter", name, group, 0, COUNTER_HEIGHT, None, counter)
        _place(members, view, track)
    result: list[Track] = []
    y = 0.0
    for group, lines in members.items():
        if not lines:
            continue
        result.append(Track("group", group, group, y, GROUP_HEIGHT))
        y += GROUP_HEIGHT
        for line in [] if group in view.collapsed else lines:
            result.append(
                Track(line.kind, line.name, group, y, line.height, line.lane, line.counter)
            )
            y += line.height
    return result


def _place(members: dict[str, list[Track]], view: View, track: Track) -> None:
    if track.name in view.pinned:
        members[PINNED].append(track)
    elif track.name not in view.hidden:
        members[track.group].append(track)


def height_of(lines: list[Track]) -> float:
    """Height of all lines together."""
    return lines[-1].y + lines[-1].height if lines else 0.0
