"""What a picture is made of, and what it gives back: the things drawn and where they lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PyQt6.QtCore import QPointF, QRectF

from gui.views.design_table import DesignTable
from gui.views.run_data import Run


@dataclass(frozen=True)
class Stores:
    """Where a picture takes its numbers from.

    `runs` are shown in this order; panels of one run show the first. `rows` are the selected rows
    of `table`.
    """

    runs: tuple[Run, ...] = ()
    table: DesignTable | None = None
    rows: tuple[int, ...] = ()

    @property
    def run(self) -> Run | None:
        return self.runs[0] if self.runs else None


@dataclass(frozen=True)
class Hit:
    """Something drawn: where, what it is, and what to say about it.

    `kind` is one of ``interval``, ``wait``, ``lane``, ``group``, ``layer``, ``marker``,
    ``counter``, ``cause``, ``tensor``, ``part``, ``point``, ``axis``.
    """

    rect: QRectF
    kind: str
    key: Any
    tip: str


@dataclass
class Scene:
    """Everything drawn, later things on top, and the map from pixels to time where there is one."""

    hits: list[Hit] = field(default_factory=list)
    plot: QRectF = field(default_factory=QRectF)
    start_ps: int = 0
    end_ps: int = 0
    height: float = 0.0
    """What the whole picture would need; a widget scrolls where this exceeds its own."""
    pointers: QRectF | None = None
    """From the ruler to the foot: where range, markers and cursor are drawn over the picture."""
    merged: bool = False
    """Whether intervals too small to see were merged into shares."""

    def add(self, rect: QRectF, kind: str, key: Any, tip: str) -> None:
        self.hits.append(Hit(rect, kind, key, tip))

    def at(self, place: QPointF, *kinds: str) -> Hit | None:
        """The topmost thing at a place, of the given kinds if there are any."""
        for hit in reversed(self.hits):
            if hit.rect.contains(place) and (not kinds or hit.kind in kinds):
                return hit
        return None

    def time_at(self, x: float) -> int:
        """Picoseconds at a horizontal place."""
        share = (x - self.plot.left()) / max(1.0, self.plot.width())
        return round(self.start_ps + share * (self.end_ps - self.start_ps))

    def x_of(self, time_ps: int) -> float:
        """Horizontal place of an instant."""
        span = max(1, self.end_ps - self.start_ps)
        return self.plot.left() + (time_ps - self.start_ps) / span * self.plot.width()
