"""What the selected task reads and writes: regions, and on request the numbers themselves."""

from __future__ import annotations

import html
from typing import Any

from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from cosim.units import format_bytes
from gui.painting.heat_map import HeatMap, paint_heat_map
from gui.painting.palette import palette
from gui.views.value_inspection import WINDOW, agreement
from gui.widgets.inquiry import Inquiry
from gui.widgets.quiet_text import RichText
from gui.widgets.state import State

NOTHING = "<i>Click an interval of an engine or channel: which part of which tensor it reads and " \
    "writes stands here.</i>"  # fmt: skip


class HeatMapWidget(QWidget):
    """One tile."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.tile: dict[str, Any] | None = None
        self.setMouseTracking(True)
        self.setMinimumHeight(120)
        self.setAccessibleName("values of the tile")

    def show_tile(self, tile: dict[str, Any] | None) -> None:
        """Show a tile, or nothing."""
        self.tile = tile
        self.update()

    def _map(self) -> HeatMap | None:
        if self.tile is None or not self.tile["rows"]:
            return None
        return HeatMap.of(self.tile, QRectF(self.rect()).adjusted(1, 1, -2, -2))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        heat = self._map()
        if heat is not None:
            painter = QPainter(self)
            paint_heat_map(painter, heat, palette(self.state.view.theme))
            painter.end()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        heat = self._map()
        if event is None or heat is None:
            return
        found = heat.at(QPointF(event.position()))
        if found is None:
            QToolTip.hideText()
            return
        row, column = found
        text = f"row {row}, column {column}: {heat.rows[row][column]}"
        if heat.wrong and heat.wrong[row][column]:
            text += "\nnot what PyTorch has here"
        QToolTip.showText(event.globalPosition().toPoint(), text, self)


class ValuesPanel(QWidget):
    """Follows the selection while it is in sight."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.inquiry = Inquiry(self)
        self._shown: tuple[object, ...] | None = None
        self._tiles: list[dict[str, Any]] = []
        self._seen = False
        self.text = RichText(12, self)
        self.text.setText(NOTHING)
        self.text.setAccessibleName("what the task reads and writes")
        self.numbers = QCheckBox("Show the numbers", self)
        self.numbers.setToolTip(
            "Carry the run out in real numbers up to this task, and hold them against PyTorch's.\n"
            "The first time PyTorch is asked; later its numbers are kept."
        )
        self.choice = QComboBox(self)
        self.choice.setToolTip("The tiles that the task has at hand when it ends")
        self.choice.setAccessibleName("tile")
        self.agreement = QLabel(self)
        self.agreement.setWordWrap(True)
        self.map = HeatMapWidget(state, self)
        self.progress = QProgressBar(self)
        self.progress.setRange(0, 1000)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.setToolTip("Stop computing these values")
        running = QHBoxLayout()
        running.addWidget(self.progress, 1)
        running.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        for widget in (self.text, self.numbers, self.choice, self.agreement):
            layout.addWidget(widget)
        layout.addWidget(self.map, 1)
        layout.addLayout(running)
        self.numbers.toggled.connect(lambda _: self._ask(again=True))
        self.choice.currentIndexChanged.connect(self._show_tile)
        self.cancel.clicked.connect(self._give_up)
        self.inquiry.answered.connect(self._take)
        self.inquiry.progress.connect(self._show_progress)
        self.inquiry.failed.connect(self._show_problem)
        state.changed.connect(self._on_change)
        self._running(False)
        self._show_tiles([])

    def _on_change(self, what: set[str]) -> None:
        if what & {"selected", "run"}:
            self._ask()
        if "theme" in what:
            self.map.update()

    def see(self, seen: bool) -> None:
        """Whether the panel is in sight: a tab behind others asks nothing."""
        self._seen = seen
        if seen:
            self._ask()
        elif self.inquiry.is_busy:
            self.inquiry.cancel()
            self._shown = None
            self._running(False)

    def close_inquiry(self) -> None:
        """End the process; for when the program ends."""
        self.inquiry.cancel()

    def _ask(self, again: bool = False) -> None:
        """Ask about the selected task, unless nobody looks."""
        run, number = self.state.run, self.state.view.selected
        if not self._seen:
            return
        wanted = (run, number)
        if wanted == self._shown and not again:
            return
        self._shown = wanted
        self._show_tiles([])
        if run is None or number is None:
            self.text.setText(NOTHING)
            return
        found = run.intervals.interval(number)
        if not found.layer:
            self.text.setText("<i>This interval is of no layer: it moves no tensor.</i>")
            return
        self._running(True)
        self.inquiry.ask(
            run=str(run.path), component=found.component, task=found.task,
            values=self.numbers.isChecked(),
        )  # fmt: skip

    def _take(self, answer: dict[str, Any]) -> None:
        self._running(False)
        self.text.setText(task_in_words(answer["task"]))
        if answer.get("fault"):
            self._show_problem(answer["fault"], clear=False)
        self._show_tiles(answer.get("tiles", []))

    def _show_progress(self, part: float, what: str) -> None:
        self.progress.setValue(round(1000 * part))
        self.progress.setFormat(f"{what}  %p %")

    def _show_problem(self, problem: str, clear: bool = True) -> None:
        self._running(False)
        said = f"<span style='color:#c0392b'>{html.escape(problem)}</span>"
        self.text.setText(said if clear else f"{self.text.text()}<p>{said}</p>")

    def _give_up(self) -> None:
        self.inquiry.cancel()
        self._running(False)
        self.numbers.setChecked(False)

    def _running(self, busy: bool) -> None:
        if busy:
            self.progress.setValue(0)
            self.progress.setFormat("starting")
        self.progress.setVisible(busy)
        self.cancel.setVisible(busy)

    def _show_tiles(self, tiles: list[dict[str, Any]]) -> None:
        self._tiles = tiles
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems([f"{t['name']}  ({t['buffer']})" for t in tiles])
        self.choice.blockSignals(False)
        for widget in (self.choice, self.agreement):
            widget.setVisible(bool(tiles))
        last = len(tiles) - 1
        self.choice.setCurrentIndex(last)
        self._show_tile(last)

    def _show_tile(self, index: int) -> None:
        if not 0 <= index < len(self._tiles):
            self.map.show_tile(None)
            return
        tile = self._tiles[index]
        shape = " x ".join(map(str, tile["shape"]))
        rows, columns = tile["of"]
        cut = "" if max(rows, columns) <= WINDOW else (
            f"; the first {min(rows, WINDOW)} x {min(columns, WINDOW)} of {rows} rows and "
            f"{columns} columns are shown"
        )  # fmt: skip
        colour = "#c0392b" if tile["differing"] and tile["whole"] else "#2a9d74"
        held = agreement(tile)
        self.agreement.setText(
            f"{shape}, {tile['least']:g} to {tile['most']:g}{cut}<br>"
            + (f"<b style='color:{colour}'>{held}</b>" if tile["differing"] is not None else held)
        )
        self.map.show_tile(tile)


def task_in_words(task: dict[str, Any]) -> str:
    """A task's regions as a small table."""
    rows = [("layer", task["layer"]), ("does", task["activity"])]
    if task["tile"]:
        loops = ", ".join(f"{loop} {a} to {b}" for loop, (a, b) in task["tile"].items())
        rows.append(("tile", loops))
    for verb in ("reads", "writes"):
        for region in task[verb]:
            rows.append((verb, _region(region)))
    for verb in ("takes", "frees"):
        for slot in task[verb]:
            size = format_bytes(int(slot["bytes"]), None)
            rows.append((verb, f"{size} of buffer {slot['buffer']} for {slot['name']}"))
    cells = "".join(
        f"<tr><td style='padding-right:10px'>{name}</td><td><b>{html.escape(value)}</b></td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"


def _region(region: dict[str, Any]) -> str:
    box = ", ".join(f"{a}:{b}" if step == 1 else f"{a}:{b}:{step}" for a, b, step in region["box"])
    whole = region["elements"] == _size(region["shape"])
    part = "all of it" if whole else f"[{box}]"
    return f"{region['tensor']} {part}, {region['elements']:,} elements"


def _size(shape: list[int]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total
