"""One lane: exact intervals where they are large enough to see, shares of time where they are not.

Merged stretches stack the shares of each bin, work from the bottom and waiting from the top, and
carry a saw-tooth line: "zoom in to see the intervals".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QImage, QPainter, QPen

from gui.painting.batch import draw_rects
from gui.painting.palette import Palette, mixed, on, with_alpha
from gui.painting.text import fitted, font, hatch
from gui.views.interval_store import LaneRows, LaneStore
from gui.views.lanes import N_ACTIVITIES, NO_WAIT
from gui.views.pyramid import FULL, Shares

ROWS = 20
"""Steps in which a merged lane's shares are drawn."""

LABEL_WIDTH = 46
MOST_LABELS = 60


@dataclass
class LaneScene:
    """What was drawn of a lane: its intervals if they are exact, else its shares."""

    rows: LaneRows | None = None
    shares: Shares | None = None
    sketched: bool = False

    def codes(self) -> set[int]:
        """Categories that occur."""
        if self.rows is not None:
            waits = self.rows.wait[self.rows.start > self.rows.wait_start]
            found = {*np.unique(self.rows.category).tolist(), *np.unique(waits).tolist()}
            return found - {NO_WAIT}
        if self.shares is not None:
            present = self.shares.values.any(axis=1)
            return {c for c, p in zip(self.shares.categories, present, strict=True) if p}
        return set()


@dataclass(frozen=True)
class Window:
    """The map from time to pixels of one picture."""

    start_ps: int
    end_ps: int
    left: float
    width: float

    @property
    def scale(self) -> float:
        return self.width / max(1, self.end_ps - self.start_ps)

    def x(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        # subtracting before converting keeps picoseconds apart in runs of hours
        placed: NDArray[np.float64] = self.left + (times - self.start_ps) * self.scale
        return placed


def draw_lane(
    painter: QPainter, lane: LaneStore, rect: QRectF, window: Window, colours: Palette,
    names: list[str], budget: int, fade: NDArray[np.bool_] | None = None, least_ps: int = 0,
) -> LaneScene:  # fmt: skip
    """Draw one lane into `rect`.

    Parameters
    ----------
    names : list of str
        What is written into the intervals of each template.
    budget : int
        Most rectangles; above it the lane is merged.
    fade : bool array, shape (n_templates + 1,), optional
        Templates whose intervals are drawn faint because a filter does not match them.
    """
    first, stop = lane.span(window.start_ps, window.end_ps)
    if stop - first <= budget:
        # the interval after the window tells what is waited for at its end
        rows = lane.rows(first, min(len(lane), stop + 1))
        _draw_waits(painter, rows, rect, window, colours)
        _draw_rows(painter, rows, rect, window, colours, names, fade, least_ps)
        return LaneScene(rows=rows)
    shares = lane.shares(window.start_ps, window.end_ps, int(window.width))
    if shares is not None:
        _draw_shares(painter, shares, rect, window, colours)
        _saw(painter, rect, colours)
        return LaneScene(shares=shares)
    rows = lane.sketch()
    _draw_sketch(painter, rows, rect, window, colours)
    return LaneScene(sketched=True)


def _draw_rows(
    painter: QPainter, rows: LaneRows, rect: QRectF, window: Window, colours: Palette,
    names: list[str], fade: NDArray[np.bool_] | None, least_ps: int,
) -> None:  # fmt: skip
    left, right = _edges(rows.start, rows.end, window)
    boxes = np.empty((len(rows), 4))
    # a hair between neighbours that are wide enough to spare one
    boxes[:, 0] = left
    boxes[:, 2] = np.where(right - left > 3, right - left - 0.75, np.maximum(right - left, 0.7))
    boxes[:, 1], boxes[:, 3] = rect.top() + 2, rect.height() - 4
    shown = (right > window.left) & (left < window.left + window.width)
    shown &= rows.end - rows.start >= least_ps
    faint = fade[rows.template] if fade is not None else np.zeros(len(rows), bool)
    painter.setPen(Qt.PenStyle.NoPen)
    for code in np.unique(rows.category[shown]).tolist():
        colour = colours.category(code)
        for is_faint in (False, True):
            mine = np.flatnonzero(shown & (rows.category == code) & (faint == is_faint))
            if len(mine):
                painter.setBrush(mixed(colour, colours.background, 0.18) if is_faint else colour)
                draw_rects(painter, boxes[mine])
    _draw_names(painter, rows, boxes, shown & ~faint, colours, names)


def _draw_names(
    painter: QPainter, rows: LaneRows, boxes: NDArray[np.float64], shown: NDArray[np.bool_],
    colours: Palette, names: list[str],
) -> None:  # fmt: skip
    wide = np.flatnonzero(shown & (boxes[:, 2] >= LABEL_WIDTH))[:MOST_LABELS]
    if not len(wide):
        return
    painter.setFont(font(10))
    for position in wide.tolist():
        x, y, width, height = boxes[position].tolist()
        painter.setPen(on(colours.category(int(rows.category[position]))))
        # steps of 8 pixels: panning shall not shorten the same names anew each time
        text = fitted(names[int(rows.template[position])], int(width - 8) // 8 * 8, 10)
        room = QRectF(x + 4, y, width - 6, height)
        painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter), text)


def _draw_waits(
    painter: QPainter, rows: LaneRows, rect: QRectF, window: Window, colours: Palette
) -> None:
    waits = np.flatnonzero((rows.wait != NO_WAIT) & (rows.start > rows.wait_start))
    if not len(waits):
        return
    left, right = _edges(rows.wait_start[waits], rows.start[waits], window)
    shown = right - left > 0.4
    painter.setPen(Qt.PenStyle.NoPen)
    codes = rows.wait[waits]
    for code in np.unique(codes[shown]).tolist():
        mine = shown & (codes == code)
        colour = colours.category(code)
        boxes = np.empty((int(mine.sum()), 4))
        boxes[:, 0], boxes[:, 2] = left[mine], right[mine] - left[mine]
        boxes[:, 1], boxes[:, 3] = rect.top() + 5, rect.height() - 10
        painter.setBrush(with_alpha(colour, 0.30))
        draw_rects(painter, boxes)
        if colours.hatched:
            painter.setBrush(hatch(colour))
            draw_rects(painter, boxes[boxes[:, 2] > 3])
        boxes[:, 1], boxes[:, 3] = rect.bottom() - 7, 2
        painter.setBrush(colour)
        draw_rects(painter, boxes)


def _edges(
    start: NDArray[np.int64], end: NDArray[np.int64], window: Window
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels of starts and ends, cut to just outside the window."""
    low, high = window.left, window.left + window.width
    return np.maximum(window.x(start), low), np.minimum(window.x(end), high)


def _draw_shares(
    painter: QPainter, shares: Shares, rect: QRectF, window: Window, colours: Palette
) -> None:
    values = shares.values
    if not values.shape[1]:
        return
    image = stacked(shares.categories, values, colours)
    left = window.left + (shares.start_ps - window.start_ps) * window.scale
    width = values.shape[1] * shares.bin_ps * window.scale
    target = QRectF(left, rect.top() + 2, width, rect.height() - 4)
    painter.drawImage(target, image, QRectF(0, 0, values.shape[1], ROWS))


_HEIGHTS = ((np.arange(ROWS) + 0.5) / ROWS * FULL).astype(np.uint16)[:, None]


def stacked(categories: tuple[int, ...], values: NDArray[np.uint8], colours: Palette) -> QImage:
    """Shares of bins as an image: work stacked from the bottom, waiting from the top."""
    height = _HEIGHTS
    image = np.full((ROWS, values.shape[1]), mixed(colours.idle, colours.background, 1).rgb(),
                    np.uint32)  # fmt: skip
    for working in (False, True):
        kept = [(c, v) for c, v in zip(categories, values, strict=True)
                if (c < N_ACTIVITIES) == working]  # fmt: skip
        level = np.cumsum([v for _, v in kept], axis=0, dtype=np.uint16) if kept else []
        for (code, _), top in reversed(list(zip(kept, level, strict=True))):
            colour = colours.category(code)
            if not working:
                colour = mixed(colour, colours.background, 0.42)
            filled = height[::-1] < top if working else height < top
            image[filled] = colour.rgb()
    image = np.ascontiguousarray(image)
    made = QImage(image.data, image.shape[1], ROWS, image.shape[1] * 4, QImage.Format.Format_RGB32)
    made.pixels = image  # type: ignore[attr-defined]
    return made


def _draw_sketch(
    painter: QPainter, rows: LaneRows, rect: QRectF, window: Window, colours: Palette
) -> None:
    """Shares estimated from a few intervals, each standing for those up to the next."""
    if not len(rows):
        return
    left, right = _edges(rows.start, np.append(rows.start[1:], rows.end[-1]), window)
    busy = (rows.end - rows.start) / np.maximum(1, rows.end - rows.wait_start)
    room = rect.height() - 4
    painter.setPen(Qt.PenStyle.NoPen)
    for code in np.unique(rows.category).tolist():
        mine = (rows.category == code) & (right > left)
        boxes = np.empty((int(mine.sum()), 4))
        boxes[:, 0], boxes[:, 2] = left[mine], (right - left)[mine]
        boxes[:, 3] = busy[mine] * room
        boxes[:, 1] = rect.bottom() - 2 - boxes[:, 3]
        painter.setBrush(with_alpha(colours.category(code), 0.5))
        draw_rects(painter, boxes)


def _saw(painter: QPainter, rect: QRectF, colours: Palette) -> None:
    """The mark of merged intervals along the lower edge."""
    pen = QPen(with_alpha(colours.text, 0.55), 1)
    pen.setDashPattern([1, 2])
    painter.setPen(pen)
    y = rect.bottom() - 0.5
    painter.drawLine(QLineF(rect.left(), y, rect.right(), y))
