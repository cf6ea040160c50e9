"""A short guided tour of the panels, on whatever run is open."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

STOPS = (
    ("timeline", "The pipeline timeline",
     "Each lane is a part of the machine, time runs to the right. Solid colours are work; pale "
     "stretches are waiting, coloured by what is waited for. The band on top names the layers. "
     "<b>Try:</b> W and S zoom, A and D move, drag to measure a range, point at anything."),
    ("details", "Why did it wait?",
     "Click any interval: here stands what it is, how long it waited and for what. Arrows lead "
     "from its cause and to what it let start. <b>Try:</b> [ goes to the cause, ] to the "
     "consequence, C shows the critical path: the chain that holds the latency."),
    ("breakdown", "Where the latency went",
     "The critical path split by layer and cause, without remainder: shortening anything that is "
     "not in these bars shortens nothing. Beside them the same as a table: click a column to sort. "
     "<b>Try:</b> click a layer, the timeline goes there."),
    ("memory", "What fills the memory",
     "Bytes alive by role, the peak marked, and every tensor as a rectangle of address and time. "
     "In training, watch activations pile up in the forward phase and gradients in the backward. "
     "<b>Try:</b> point at a rectangle."),
    ("power", "Power against its budget",
     "The line is the power drawn, the dashed line its budget; shaded times are those in which "
     "something had to wait for it, or ran at a lowered clock."),
    ("machine", "The machine at work",
     "The same run as blocks and wires: who works, who waits for whom, how full buffers are. "
     "<b>Try:</b> F6 lets it run, F8 stops, F5 steps, F4 steps back, or drag the slider."),
    ("what-if", "What if?",
     "Change a parameter (a slider will do) and run again: one sentence says what moved and why, "
     "and both runs stand side by side under Compare."),
    ("designs", "Many designs at once",
     "Open a scenario, or a folder of runs: every point in a table, a scatter with its Pareto "
     "front, and parallel coordinates. Select several to compare them layer by layer."),
)  # fmt: skip
"""Panel to raise, title, and what to see and try there."""


class Tour(QFrame):
    """A card over the window.

    Parameters
    ----------
    panel_of : callable
        The widget of a panel by name, or None.
    """

    panel_wanted = pyqtSignal(str)
    ended = pyqtSignal()

    def __init__(self, parent: QWidget, panel_of: Callable[[str], QWidget | None]) -> None:
        super().__init__(parent)
        self.panel_of = panel_of
        self.position = 0
        self.setObjectName("tour")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setAccessibleName("guided tour")
        self.title = QLabel(self)
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.back = QPushButton("Back", self)
        self.next = QPushButton("Next", self)
        self.close_button = QPushButton("End the tour", self)
        bar = QHBoxLayout()
        bar.addWidget(self.close_button)
        bar.addStretch(1)
        bar.addWidget(self.back)
        bar.addWidget(self.next)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 16, 12)
        layout.addWidget(self.title)
        layout.addWidget(self.text, 1)
        layout.addLayout(bar)
        self.back.clicked.connect(lambda: self.go(self.position - 1))
        self.next.clicked.connect(lambda: self.go(self.position + 1))
        self.close_button.clicked.connect(self.end)
        self.setStyleSheet(
            "#tour { border: 2px solid palette(highlight); border-radius: 8px;"
            " background: palette(alternate-base); }"
        )

    def start(self) -> None:
        """From the first stop."""
        self.show()
        self.go(0)

    def go(self, position: int) -> None:
        """To a stop; past the last one the tour ends."""
        if position >= len(STOPS):
            self.end()
            return
        self.position = max(0, position)
        panel, title, text = STOPS[self.position]
        self.title.setText(f"<b>{title}</b> &nbsp; {self.position + 1} of {len(STOPS)}")
        self.text.setText(text)
        self.back.setEnabled(self.position > 0)
        self.next.setText("Done" if self.position == len(STOPS) - 1 else "Next")
        self.panel_wanted.emit(panel)
        self.place()
        self.raise_()
        self.next.setFocus()

    def place(self) -> None:
        """In the middle of the window's width, where it covers nothing of what it is about."""
        above = self.parentWidget()
        if above is None:
            return
        wide = min(560, above.width() - 40)
        self.setFixedWidth(max(240, wide))
        self.adjustSize()
        lower = above.height() - self.height() - 40
        shown = self.panel_of(STOPS[self.position][0])
        if shown is not None:
            top = shown.mapTo(above, QPoint(0, 0)).y()
            if top + shown.height() > lower and top > above.height() // 3:
                lower = max(40, top - self.height() - 40)
        self.move((above.width() - self.width()) // 2, lower)

    def end(self) -> None:
        """Close the card."""
        self.hide()
        self.ended.emit()
