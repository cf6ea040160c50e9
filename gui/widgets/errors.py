"""An exception in a slot is shown and logged, and the program lives on.

PyQt ends the process when an exception leaves a slot, unless `sys.excepthook` is replaced.
"""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from types import TracebackType

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QMessageBox, QWidget

from cosim.errors import CosimError

log = logging.getLogger("gui")


class ExceptionHook(QObject):
    """Takes the place of `sys.excepthook`; `caught` carries a line and the traceback."""

    caught = pyqtSignal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._before = sys.excepthook

    def install(self) -> None:
        """From now on."""
        self._before = sys.excepthook
        sys.excepthook = self._hook

    def remove(self) -> None:
        """Put back what was there."""
        sys.excepthook = self._before

    def _hook(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._before(kind, error, trace)
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        log.error("unhandled exception\n%s", text)
        line = str(error) if isinstance(error, CosimError) else f"{kind.__name__}: {error}"
        self.caught.emit(line, text)


class ErrorBox(QMessageBox):
    """Says what went wrong without holding the program up; one box for all errors in a row."""

    def __init__(self, log_file: Path | None, parent: QWidget) -> None:
        super().__init__(parent)
        self._log_file = log_file
        self._count = 0
        self.setWindowTitle("Something went wrong")
        self.setIcon(QMessageBox.Icon.Warning)
        self.setModal(False)
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.finished.connect(self._forget)

    def tell(self, line: str, details: str = "") -> None:
        """Show a problem."""
        self._count += 1
        more = f"\n\n({self._count} problems so far)" if self._count > 1 else ""
        where = f"\n\nThe log is in {self._log_file}" if self._log_file and details else ""
        self.setText(f"{line}{more}")
        self.setInformativeText("The program goes on." + where)
        self.setDetailedText(details)
        self.show()

    def _forget(self) -> None:
        self._count = 0


def log_to(file: Path) -> None:
    """Write the program's log to a file, the last megabyte of it."""
    from logging.handlers import RotatingFileHandler

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(file, maxBytes=1 << 20, backupCount=1, delay=True)
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("gui").addHandler(handler)
