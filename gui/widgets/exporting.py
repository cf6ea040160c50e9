"""Writing what panels show: pictures, tables, and copies for the clipboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QObject, QPoint, QRect, QRectF, pyqtSignal
from PyQt6.QtGui import QPainter, QPdfWriter
from PyQt6.QtSvg import QSvgGenerator
from PyQt6.QtWidgets import QApplication, QFileDialog, QGraphicsItem, QGraphicsView, QWidget

from cosim.errors import CosimError
from gui.painting.picture import FORMATS, image_of, save_picture
from gui.views.panel_table import panel_table, to_csv
from gui.views.view import View
from gui.widgets.chart_panel import ChartPanel
from gui.widgets.state import State

PICTURES, TABLES = "Pictures (*.png *.svg *.pdf)", "Tables (*.csv)"
SIZE, SCALE = (1600, 900), 2.0


class Exporter(QObject):
    """Asks where to, writes, and says what went wrong."""

    problem = pyqtSignal(str)

    def __init__(self, state: State, window: QWidget) -> None:
        super().__init__(window)
        self.state, self.window = state, window

    def export(self, panel: str, what: str, path: Path | None = None) -> None:
        """Write or copy what a panel shows: its picture, or the numbers behind it.

        Parameters
        ----------
        what : str
            ``picture``, ``table``, ``copy picture`` or ``copy table``.
        """
        view, stores = self._view(panel), self.state.stores(panel)
        clipboard = QApplication.clipboard()
        try:
            if what == "copy picture" and clipboard is not None:
                clipboard.setImage(image_of(view, stores, SIZE, SCALE))
            elif what == "copy table" and clipboard is not None:
                clipboard.setText(to_csv(panel_table(view, stores.runs, stores.table), "\t"))
            elif what == "picture":
                self._save(path or self.ask(panel, PICTURES, "png"),
                           lambda file: save_picture(view, stores, file, SIZE, SCALE))  # fmt: skip
            elif what == "table":
                text = to_csv(panel_table(view, stores.runs, stores.table))
                self._save(path or self.ask(panel, TABLES, "csv"),
                           lambda file: file.write_text(text, encoding="utf-8"))  # fmt: skip
        except (CosimError, OSError) as error:
            self.problem.emit(str(error))

    def _view(self, panel: str) -> View:
        view = replace(self.state.view, panel=panel)
        if panel in ("designs", "parallel"):
            view = replace(view, pattern=str(self.state.view.extra.get("designs", "")))
        return view

    def export_table(self, name: str, write: Callable[[Path], object]) -> None:
        """Ask where a table shall go, and write it there."""
        try:
            self._save(self.ask(name, TABLES, "csv"), write)
        except OSError as error:
            self.problem.emit(str(error))

    def export_widget(self, name: str, widget: QWidget, path: Path | None = None) -> None:
        """Write a panel that is no picture (a form, a list) as it stands on the screen."""
        try:
            self._save(path or self.ask(name, PICTURES, "png"), lambda file: _grab(widget, file))
        except (CosimError, OSError) as error:
            self.problem.emit(str(error))

    def export_chart(self, chart: ChartPanel, what: str, path: Path | None = None) -> None:
        """Write or copy what the chart shows, its picture as it stands on the screen."""
        clipboard = QApplication.clipboard()
        try:
            if what == "copy picture" and clipboard is not None:
                clipboard.setPixmap(chart.picture.grab())
            elif what == "copy table" and clipboard is not None:
                clipboard.setText(to_csv(chart.table(), "\t"))
            elif what == "picture":
                self.export_widget("chart", chart.picture, path)
            elif what == "table":
                text = to_csv(chart.table())
                self._save(path or self.ask("chart", TABLES, "csv"),
                           lambda file: file.write_text(text, encoding="utf-8"))  # fmt: skip
        except (CosimError, OSError) as error:
            self.problem.emit(str(error))

    def ask(self, name: str, kinds: str, ending: str) -> Path | None:
        """Ask for a file to write."""
        chosen, _ = QFileDialog.getSaveFileName(
            self.window, f"Export {name}", f"{name}.{ending}", kinds
        )
        if not chosen:
            return None
        return Path(chosen) if Path(chosen).suffix else Path(f"{chosen}.{ending}")

    def _save(self, path: Path | None, write: Callable[[Path], object]) -> None:
        if path is not None:
            write(path)
            self.state.message.emit(f"Wrote {path}")


def _grab(widget: QWidget, path: Path) -> None:
    form = path.suffix.lower().lstrip(".")
    if form not in FORMATS:
        raise CosimError(f"unknown picture format '{form}'", where=str(path),
                         expected="a file that ends in .png, .svg or .pdf")  # fmt: skip
    if form == "png":
        if not widget.grab().save(str(path), "PNG"):
            raise CosimError("cannot be written", where=str(path))
        return
    device: QSvgGenerator | QPdfWriter
    if form == "svg":
        device = QSvgGenerator()
        device.setFileName(str(path))
        device.setResolution(widget.logicalDpiX())
        device.setSize(widget.size())
        device.setViewBox(QRect(QPoint(0, 0), widget.size()))
    else:
        device = QPdfWriter(str(path))
        device.setResolution(96)
    painter = QPainter(device)
    if form == "pdf":
        scale = min(device.width() / widget.width(), device.height() / widget.height())
        painter.scale(scale, scale)
    if isinstance(widget, QGraphicsView):
        # rendered as a widget, its items would be placed by the device's transformation
        room = QRectF(widget.rect())
        with drawn_as_vectors(widget):
            widget.render(painter, room, widget.rect())
    else:
        widget.render(painter)
    painter.end()


@contextmanager
def drawn_as_vectors(view: QGraphicsView) -> Iterator[None]:
    """Let items that keep pictures of themselves for the screen draw themselves anew."""
    scene = view.scene()
    every = scene.items() if scene else []
    items = [i for i in every if hasattr(i, "setExportMode")]
    caches = [(i, i.cacheMode()) for i in every]
    for item in items:
        item.setExportMode(True, {"resolutionScale": 1.0})
    for kept, _ in caches:
        kept.setCacheMode(QGraphicsItem.CacheMode.NoCache)
    try:
        yield
    finally:
        for item in items:
            item.setExportMode(False)
        for kept, mode in caches:
            kept.setCacheMode(mode)
