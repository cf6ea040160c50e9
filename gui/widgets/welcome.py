"""What is there before anything is open."""

from __future__ import annotations

import html
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

ENTRIES = (
    ("help.demo", "Run the demo and take the tour",
     "trains a small network on an edge FPGA with a 1 W budget; takes some seconds"),
    ("file.open", "Open a run, or a folder of runs…", "what `cosim run` has written"),
    ("file.scenario", "Open a scenario…", "runs every workload on every design of a TOML file"),
)  # fmt: skip


MOST_RECENT = 4


class Welcome(QWidget):
    """Three ways to begin."""

    wanted = pyqtSignal(str)
    path_wanted = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = QLabel("<h1>edge-cosim</h1><p>See where the time, energy and memory of a neural "
                       "network go on an edge machine, and why.</p>", self)  # fmt: skip
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(title)
        layout.addSpacing(16)
        self.buttons: dict[str, QPushButton] = {}
        for id_, text, note in ENTRIES:
            button = QPushButton(text, self)
            button.setMinimumSize(360, 40)
            button.setAccessibleDescription(note)
            button.clicked.connect(lambda _=False, id_=id_: self.wanted.emit(id_))
            layout.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)
            told = QLabel(note, self)
            told.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(told)
            layout.addSpacing(10)
            self.buttons[id_] = button
        drop = QLabel("or drop a folder or a scenario here", self)
        drop.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(drop)
        self.recent = QLabel(self)
        self.recent.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.recent.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.recent.linkActivated.connect(self.path_wanted)
        layout.addSpacing(10)
        layout.addWidget(self.recent)

    def show_recent(self, paths: list[str]) -> None:
        """Offer what was opened last."""
        there = [path for path in paths if Path(path).exists()][:MOST_RECENT]
        links = [f"<a href='{html.escape(path)}'>{html.escape(_short(path))}</a>"
                 for path in there]  # fmt: skip
        self.recent.setText("opened last:<br>" + "<br>".join(links) if links else "")


def _short(path: str) -> str:
    """The end of a path, which tells it from others."""
    return "/".join(Path(path).parts[-3:])
