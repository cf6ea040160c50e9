"""What the chart shows, to choose from: quantities, colours, counters, scales."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui.painting.palette import Palette
from gui.painting.power import WORDS
from gui.views import chart_series as data
from gui.views.chart_series import Choices
from gui.views.design_columns import short_name
from gui.views.design_table import DesignTable
from gui.views.run_data import Run
from gui.widgets.own_keys import keep_keys

Entry = tuple[str, str, str]
"""What an entry stands for, its text and its tooltip."""


class ChartChoices(QWidget):
    """The column of choices."""

    chosen = pyqtSignal(dict)
    """Fields of `Choices` that were changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.mode, self.x, self.by = (QComboBox(self) for _ in range(3))
        self.mode.addItem("Design points", data.DESIGNS)
        self.mode.addItem("Counters over time", data.TIME)
        self.log_x, self.log_y = QCheckBox("log x", self), QCheckBox("log y", self)
        self.fit = QPushButton("Fit", self)
        self.ys, self.groups = QListWidget(self), QListWidget(self)
        for box in (self.ys, self.groups):
            port = box.viewport()
            if port is not None:
                port.setAutoFillBackground(False)  # boxes to tick stand out from the window's
        self._of_designs: list[QWidget] = [self.x, self.by, self.groups, self.log_x]
        self._describe()
        self._arrange()
        for box, field in ((self.mode, "mode"), (self.x, "x"), (self.by, "by")):
            box.currentIndexChanged.connect(
                lambda _, box=box, field=field: self._pick(field, box.currentData())
            )
        for check, field in ((self.log_x, "log_x"), (self.log_y, "log_y")):
            check.toggled.connect(lambda on, field=field: self.chosen.emit({field: on}))
        self.ys.itemChanged.connect(self._tick_quantities)
        self.groups.itemChanged.connect(
            lambda _: self.chosen.emit({"off": _names(self.groups, Qt.CheckState.Unchecked)})
        )

    def _describe(self) -> None:
        for widget, name, tip in (
            (self.mode, "what the chart shows", "Design points against each other, or counters "
             "of the open run over time"),
            (self.x, "x axis", "The quantity along the axis; lines join points that differ in "
             "it alone"),
            (self.ys, "y axis", "What is drawn: tick one or more. Each unit has an axis of its "
             "own"),
            (self.by, "colour", "Each value of this column has a colour"),
            (self.groups, "shown lines", "Untick a value to hide its lines; a click into the "
             "legend does the same"),
            (self.log_x, "logarithmic x axis", "Every factor of ten takes the same room along x"),
            (self.log_y, "logarithmic y axis", "Every factor of ten takes the same room up y"),
            (self.fit, "fit", "Show all points, or the whole run"),
        ):  # fmt: skip
            widget.setAccessibleName(name)
            widget.setToolTip(tip)

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(3)
        column.addWidget(self.mode)
        for text, box in (("along x", self.x), ("up y", self.ys), ("a colour for each", self.by),
                          ("", self.groups)):  # fmt: skip
            if text:
                label = QLabel(text, self)
                label.setBuddy(box)
                column.addWidget(label)
                if box is not self.ys:
                    self._of_designs.append(label)
            column.addWidget(box, 1 if isinstance(box, QListWidget) else 0)
        line = QHBoxLayout()
        for widget in (self.log_x, self.log_y, self.fit):
            line.addWidget(widget)
        column.addLayout(line)
        self.setFixedWidth(220)
        self.setFocusProxy(self.mode)
        keep_keys(self)

    def _pick(self, field: str, value: str) -> None:
        self.chosen.emit({field: value, **({"off": ()} if field == "by" else {})})

    def _tick_quantities(self, _item: QListWidgetItem) -> None:
        ticked = _names(self.ys, Qt.CheckState.Checked) or ("",)  # none is a choice as well
        self.chosen.emit({"counters" if self.mode.currentData() == data.TIME else "ys": ticked})

    def untick(self, name: str) -> None:
        """Hide a line that has this name."""
        for box in (self.groups, self.ys):
            for place in range(box.count()):
                item = box.item(place)
                if item is not None and item.data(Qt.ItemDataRole.UserRole) == name:
                    item.setCheckState(Qt.CheckState.Unchecked)
                    return

    # Showing

    def show_choices(
        self, choices: Choices, table: DesignTable | None, run: Run | None, colours: Palette
    ) -> None:
        """Offer what there is, and show what is chosen."""
        over_time = choices.mode == data.TIME
        for widget in self._of_designs:
            widget.setVisible(not over_time)
        columns = data.number_columns(table) if table is not None else []
        groups = data.group_columns(table) if table is not None else []
        _fill(self.mode, None, choices.mode)
        _fill(self.x, [(n, short_name(n), "") for n in columns], choices.x)
        _fill(self.by, [(data.NO_COLUMN, "one colour for all", ""),
                        *((n, short_name(n), "") for n in groups)], choices.by)  # fmt: skip
        for check, on in ((self.log_x, choices.log_x), (self.log_y, choices.log_y)):
            check.blockSignals(True)
            check.setChecked(on)
            check.blockSignals(False)
        if over_time:
            known = run.counters if run is not None and run.has("counters") else {}
            shown = {n: colours.serial(i) for i, n in enumerate(choices.counters)}
            _list(self.ys, [(n, n, WORDS.get(n, "bytes that the buffer holds")) for n in known],
                  choices.counters, shown)  # fmt: skip
            return
        quantities = table.quantities if table is not None else {}
        words = [(n, short_name(n), quantities[n].words if n in quantities else "")
                 for n in columns]  # fmt: skip
        _list(self.ys, words, choices.ys, {})
        names = data.group_names(table, choices.by) if table is not None else []
        _list(self.groups, [(n, n, "") for n in names],
              [n for n in names if n not in choices.off],
              {n: colours.serial(i) for i, n in enumerate(names)})  # fmt: skip


def _names(box: QListWidget, state: Qt.CheckState) -> tuple[str, ...]:
    items = [item for i in range(box.count()) if (item := box.item(i)) is not None]
    return tuple(str(i.data(Qt.ItemDataRole.UserRole)) for i in items if i.checkState() == state)


def _fill(box: QComboBox, entries: list[Entry] | None, chosen: str) -> None:
    box.blockSignals(True)
    if entries is not None and [box.itemData(i) for i in range(box.count())] != [
        key for key, *_ in entries
    ]:
        box.clear()
        for key, text, _ in entries:
            box.addItem(text, key)
    box.setCurrentIndex(box.findData(chosen))
    box.blockSignals(False)


def _list(
    box: QListWidget, entries: list[Entry], ticked: Iterable[str], colours: dict[str, QColor]
) -> None:
    """Show entries with ticks; items stay the same ones where they can, for the focus' sake."""
    box.blockSignals(True)
    if [box.item(i).data(Qt.ItemDataRole.UserRole) for i in range(box.count())] != [
        key for key, *_ in entries
    ]:
        box.clear()
        for key, text, tip in entries:
            item = QListWidgetItem(text, box)
            item.setData(Qt.ItemDataRole.UserRole, key)
            item.setToolTip(tip)
    kept = set(ticked)
    for place, (key, _, _) in enumerate(entries):
        item = box.item(place)
        on = Qt.CheckState.Checked if key in kept else Qt.CheckState.Unchecked
        item.setCheckState(on)
        item.setIcon(_swatch(colours[key]) if key in colours else QIcon())
    box.blockSignals(False)


def _swatch(colour: QColor) -> QIcon:
    picture = QPixmap(12, 12)
    picture.fill(colour)
    return QIcon(picture)
