"""The main window: panels in docks around the timeline, and what opens, loads and saves."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QByteArray, QSettings, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QApplication,
    QDockWidget,
    QMainWindow,
    QProgressBar,
    QStackedWidget,
    QTabBar,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cosim.units import format_time
from gui.painting import Hit
from gui.views.run_data import Run
from gui.widgets.actions import ActionRegistry
from gui.widgets.aligned_panel import AlignedPanel
from gui.widgets.breakdown_panel import BreakdownPanel
from gui.widgets.chart_panel import ChartPanel
from gui.widgets.commands import TOOLS, register
from gui.widgets.data_table import DataTable
from gui.widgets.designs_panel import DesignsPanel
from gui.widgets.details_panel import DetailsPanel
from gui.widgets.errors import ErrorBox
from gui.widgets.intervals_panel import IntervalsPanel
from gui.widgets.lanes_panel import LanesPanel
from gui.widgets.markers_panel import MarkersPanel
from gui.widgets.minimap import Minimap
from gui.widgets.navigation import Navigation
from gui.widgets.opening import Opening
from gui.widgets.own_keys import keep_keys
from gui.widgets.panel_words import WORDS
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.quiet_text import Line
from gui.widgets.run_control import MachinePanel, RunControl
from gui.widgets.runs_panel import RunsPanel
from gui.widgets.search_bar import SearchBar
from gui.widgets.session import Session
from gui.widgets.state import State
from gui.widgets.theme import apply_theme
from gui.widgets.time_panel import TimelinePanel, TimePanel
from gui.widgets.tour import Tour
from gui.widgets.values_panel import ValuesPanel
from gui.widgets.welcome import Welcome
from gui.widgets.what_if_panel import WhatIfPanel

log = logging.getLogger(__name__)

_OF_THE_RUN = {"table", "rows"}

BOTTOM = ("breakdown", "memory", "power", "machine", "intervals", "roofline", "energy", "designs",
          "chart", "compare", "aligned")  # fmt: skip
RIGHT = ("details", "values", "what-if", "markers")
LEFT = ("runs", "lanes")


class MainWindow(QMainWindow):
    """The window.

    Parameters
    ----------
    settings : QSettings
        Where its state is kept.
    log_file : Path, optional
        Named where something went wrong.
    """

    def __init__(self, settings: QSettings, log_file: Path | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.setWindowTitle("edge-cosim")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.resize(1440, 900)
        self.state = State(self)
        self.navigation = Navigation(self.state)
        self.control = RunControl(self.state, self.navigation)
        self.errors = ErrorBox(log_file, self)
        self.docks: dict[str, QDockWidget] = {}
        self.panels: dict[str, PicturePanel] = {}
        self._build_centre()
        self._build_docks()
        self._build_bars()
        self.opening = Opening(self.state, settings, self)
        self.session = Session(self.state, settings)
        self.registry = ActionRegistry(self, settings)
        register(self)
        self.registry.build_menus()
        self.registry.fill_tools(self.tools, TOOLS)
        self.opening.fill_recent(self.registry.menu("File/Open recent"))
        self.tour = Tour(self, self._widget_of)
        self.tour.hide()
        self._tour_timer = QTimer(self)
        self._tour_timer.setSingleShot(True)
        self._tour_timer.timeout.connect(self.tour.start)
        self._connect()
        self._first_layout = self.saveState()
        self._hidden_docks: list[QDockWidget] = []
        self._restore_window()
        self._hide_stray_tabs()
        keep_keys(self)
        self.registry.refresh_checks()
        self._show_page()

    # Building

    def _build_centre(self) -> None:
        self.timeline = TimelinePanel(
            self.state, self.navigation, "timeline", {"table", "rows", "compared", "runs", "x", "y"}
        )
        self.panels["timeline"] = self.timeline
        self.minimap = Minimap(self.state)
        self.search = SearchBar(self.state, self.navigation)
        page = QWidget(self)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.minimap)
        layout.addWidget(self.timeline, 1)
        self.welcome = Welcome(self)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(page)
        self.setCentralWidget(self.pages)

    def _build_docks(self) -> None:
        state = self.state
        for panel in ("memory", "power"):
            self.panels[panel] = TimePanel(state, self.navigation, panel, _OF_THE_RUN)
        for panel in ("breakdown", "roofline", "energy", "compare"):
            self.panels[panel] = PicturePanel(state, panel, _OF_THE_RUN)
        self.panels["aligned"] = AlignedPanel(state, self.navigation, _OF_THE_RUN)
        self.machine = MachinePanel(state, self.control)
        self.designs = DesignsPanel(state)
        self.panels["machine"] = self.machine.picture
        self.panels["designs"] = self.designs.scatter
        self.panels["parallel"] = self.designs.parallel
        self.breakdown = BreakdownPanel(state, self.navigation, self.panels["breakdown"])
        self.intervals = IntervalsPanel(state, self.navigation)
        self.chart = ChartPanel(state)
        self.lanes = LanesPanel(state)
        self.details = DetailsPanel(state, self.navigation)
        self.values = ValuesPanel(state)
        self.what_if = WhatIfPanel(state)
        self.markers = MarkersPanel(state)
        self.runs = RunsPanel(state)
        area = Qt.DockWidgetArea
        widgets: dict[str, QWidget] = {
            **self.panels, "breakdown": self.breakdown, "machine": self.machine,
            "designs": self.designs, "chart": self.chart, "intervals": self.intervals,
            "lanes": self.lanes,
            "details": self.details, "values": self.values, "what-if": self.what_if,
            "markers": self.markers, "runs": self.runs,
        }  # fmt: skip
        for names, side in ((BOTTOM, area.BottomDockWidgetArea), (RIGHT, area.RightDockWidgetArea),
                            (LEFT, area.LeftDockWidgetArea)):  # fmt: skip
            for name in names:
                self._dock(name, widgets[name], side)
                if name != names[0]:  # at once: tabs of docks that were beside each other stay
                    self.tabifyDockWidget(self.docks[names[0]], self.docks[name])
            self.docks[names[0]].raise_()
        self.resizeDocks([self.docks["runs"], self.docks["details"]], [200, 400],
                         Qt.Orientation.Horizontal)  # fmt: skip
        self.resizeDocks([self.docks["breakdown"]], [340], Qt.Orientation.Vertical)

    def _hide_stray_tabs(self) -> None:
        """Hide bars of tabs that Qt left behind while docks were put together one by one."""
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        bars = self.findChildren(QTabBar, options=direct)
        titles = [{bar.tabText(i) for i in range(bar.count())} for bar in bars]
        for bar, mine in zip(bars, titles, strict=True):
            if any(mine < other for other in titles):
                bar.hide()

    def _dock(self, name: str, widget: QWidget, area: Qt.DockWidgetArea) -> None:
        title = name[0].upper() + name[1:]
        dock = QDockWidget(title, self)
        dock.setObjectName(f"dock {name}")
        dock.setWidget(widget)
        dock.setToolTip(WORDS.get(name, ""))
        self.addDockWidget(area, dock)
        self.docks[name] = dock

    def _build_bars(self) -> None:
        self.tools = QToolBar("Tools", self)
        self.tools.setObjectName("tool bar")
        bar = QToolBar("Search", self)
        bar.setObjectName("search bar")
        bar.addWidget(self.search)
        for each in (self.tools, bar):
            each.setMovable(False)
            self.addToolBar(each)
        status = self.statusBar()
        assert status is not None
        self.where = Line(420, self, right=True)
        self.progress = QProgressBar(self)
        self.progress.setRange(0, 1000)
        self.progress.setMaximumWidth(260)
        self.progress.hide()
        self.stop = QToolButton(self)
        self.stop.setText("Cancel")
        self.stop.setToolTip("Stop the simulation that runs  Ctrl+.")
        self.stop.hide()
        status.addPermanentWidget(self.progress)
        status.addPermanentWidget(self.stop)
        status.addPermanentWidget(self.where)

    def _connect(self) -> None:
        state = self.state
        status = self.statusBar()
        assert status is not None
        state.message.connect(lambda text: status.showMessage(text, 8000))
        state.changed.connect(self._on_change)
        for panel in self.panels.values():
            panel.clicked.connect(self._clicked)
            panel.export_wanted.connect(self.opening.exporter.export)
            if isinstance(panel, TimePanel):
                panel.run_until.connect(self.control.run_until)
        for table in self.findChildren(DataTable):
            table.export_wanted.connect(self.opening.exporter.export_table)
        self.chart.export_wanted.connect(
            lambda what: self.opening.exporter.export_chart(self.chart, what)
        )
        self.docks["chart"].visibilityChanged.connect(self.chart.see)
        self.docks["values"].visibilityChanged.connect(self.values.see)
        self.details.values.clicked.connect(lambda: self.show_panel("values"))
        self.designs.open_rows.connect(self.opening.open_rows)
        self.designs.open_folder.clicked.connect(self.opening.ask_run)
        self.designs.open_scenario.clicked.connect(self.opening.ask_scenario)
        self.runs.close_wanted.connect(self.opening.close_run)
        self.what_if.run_wanted.connect(self.opening.run_again)
        self.what_if.panel_wanted.connect(self.show_panel)
        self.what_if.cancel_wanted.connect(self.opening.cancel)
        self.tour.panel_wanted.connect(self.show_panel)
        self.tour.ended.connect(lambda: self.settings.setValue("tour/seen", True))
        self.opening.problem.connect(self.errors.tell)
        self.opening.view_opened.connect(self.show_panel)
        self.opening.busy.connect(self._show_progress)
        self.stop.clicked.connect(self.opening.cancel)
        self.opening.started.connect(self.what_if.show_started)
        self.opening.simulated.connect(self._simulated)
        self.opening.failed.connect(self.what_if.show_failed)
        self.opening.ended.connect(self.what_if.show_ended)
        self.welcome.path_wanted.connect(lambda path: self.opening.open_paths([Path(path)]))
        self.welcome.wanted.connect(lambda id_: self.registry.actions[id_].trigger())

    # Following the state

    def _on_change(self, what: set[str]) -> None:
        if what & {"run", "runs", "table"}:
            self._show_page()
        if "table" in what and self.state.table is not None:
            self.show_panel("designs")
        if "theme" in what:
            application = QApplication.instance()
            if isinstance(application, QApplication):
                apply_theme(application, self.state.view.theme)
        if what & {"theme", "critical", "only_critical", "arrows", "counters"}:
            self.registry.refresh_checks()
        if what & {"run"}:
            run = self.state.run
            self.setWindowTitle(f"{run.name} – edge-cosim" if run else "edge-cosim")
        if what & {"time_ps", "start_ps", "end_ps", "range_ps", "run"}:
            self._show_where()

    def _show_page(self) -> None:
        if self.state.run is None:
            self.welcome.show_recent(self.opening.recent())
        self.pages.setCurrentIndex(1 if self.state.run is not None else 0)

    def _show_where(self) -> None:
        start, end = self.state.window
        parts = [f"shown {format_time(end - start, 3)}"] if self.state.run else []
        if self.state.view.range_ps is not None:
            low, high = self.state.view.range_ps
            parts.append(f"range {format_time(high - low, 5)}")
        if self.state.view.time_ps is not None:
            parts.append(f"at {format_time(self.state.view.time_ps, 6)}")
        self.where.setText("&nbsp;&nbsp; ".join(parts))

    def _show_progress(self, what: str, part: float) -> None:
        self.progress.setVisible(part < 1.0)
        self.stop.setVisible(part < 1.0 and self.opening.simulation is not None)
        self.progress.setValue(round(1000 * part))
        self.progress.setFormat(f"{what}  %p %" if what else "%p %")
        self.what_if.show_progress(part, what)

    def _simulated(self, runs: list[Run], compare: bool) -> None:
        if compare and runs:
            self.what_if.show_result(runs[0])
            self.show_panel("what-if")

    def _clicked(self, hit: Hit, _modifiers: Qt.KeyboardModifier) -> None:
        """A layer or a cause in a chart leads to the timeline."""
        source = self.sender()
        if source in (self.timeline, self.panels["memory"], self.panels["power"]):
            return
        if hit.kind == "layer":
            self.navigation.show_layer(hit.key)
        elif hit.kind == "cause" and isinstance(hit.key, tuple) and hit.key[0]:
            self.navigation.show_layer(hit.key[0])
        elif hit.kind == "part" and self.state.run is not None:
            self.select_part(hit.key)

    def select_part(self, name: str) -> None:
        """Select what a component does at the cursor."""
        run = self.state.run
        assert run is not None
        lane = next((s for s in run.intervals.lanes if s.lane.name == name), None)
        if lane is None or not len(lane):
            return
        time = self.control.now
        place = lane.at(time)
        place = place if place >= 0 else min(len(lane) - 1, lane.before(time) + 1)
        self.state.change(selected=int(lane.index.numbers(place, place + 1)[0]))

    def _widget_of(self, name: str) -> QWidget | None:
        return self.timeline if name == "timeline" else self.docks.get(name)

    def only_timeline(self) -> None:
        """Hide everything around the timeline, or show it again."""
        if self.is_timeline_alone:
            for dock in self._hidden_docks or self.docks.values():
                dock.show()
            self._hidden_docks = []
            return
        self._hidden_docks = [dock for dock in self.docks.values() if not dock.isHidden()]
        for dock in self._hidden_docks:
            dock.hide()

    @property
    def is_timeline_alone(self) -> bool:
        return all(dock.isHidden() for dock in self.docks.values())

    def reset_layout(self) -> None:
        """Every panel where it was at the first start."""
        self._hidden_docks = []
        self.restoreState(self._first_layout)

    def show_panel(self, name: str) -> None:
        """Bring a panel to the front."""
        if name == "timeline":
            self.timeline.setFocus()
        elif name in self.docks:
            self.docks[name].show()
            self.docks[name].raise_()
            widget = self.docks[name].widget()
            if widget is not None:
                widget.setFocus()

    # Opening by drop, closing, session

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        data = event.mimeData() if event is not None else None
        if event is None or data is None:
            return
        event.acceptProposedAction()
        self.opening.open_paths([Path(url.toLocalFile()) for url in data.urls()
                                 if url.isLocalFile()])  # fmt: skip

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        if hasattr(self, "tour") and self.tour.isVisible():
            self.tour.place()

    def _restore_window(self) -> None:
        for key, restore in (("geometry", self.restoreGeometry), ("docks", self.restoreState)):
            value = self.settings.value(f"window/{key}")
            if isinstance(value, QByteArray):
                restore(value)
        theme = str(self.settings.value("theme", "light"))
        self.state.view = replace(self.state.view, theme=theme)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, theme)

    def start(self, paths: list[Path], restore: bool = True) -> None:
        """Open what the command line names, or what was open last; offer the tour at first."""
        if paths:
            self.opening.open_paths(paths)
        elif restore:
            for problem in self.session.restore(self.opening):
                self.state.message.emit(problem)
        first = not self.settings.value("tour/seen", False, type=bool)
        if first and self.state.run is not None:
            self._tour_timer.start(0)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self.control.stop()
        self._tour_timer.stop()
        self.session.save()
        self.settings.setValue("window/geometry", self.saveGeometry())
        self.settings.setValue("window/docks", self.saveState())
        self.settings.setValue("theme", self.state.view.theme)
        self.settings.sync()
        self.opening.close()
        self.values.close_inquiry()
        status = self.statusBar()
        if status is not None:
            status.clearMessage()  # its timer would go on
        super().closeEvent(event)
