"""Opens and prepares runs in a thread, so that the window never waits for them."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from cosim.errors import CosimError
from gui.views.run_data import Run, open_run

log = logging.getLogger(__name__)


class Loader(QObject):
    """Prepares one run: `ready` after each part, `ended` at last, `failed` with one line."""

    ready = pyqtSignal(str, float)
    failed = pyqtSignal(str)
    ended = pyqtSignal()

    def __init__(self, run: Run, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"prepare {run.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop at the next opportunity and wait for it."""
        self.blockSignals(True)
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(30)

    def _work(self) -> None:
        try:
            self.run.prepare(lambda what, part: self.ready.emit(what, part), self._stop)
        except Exception as error:
            log.exception("preparing %s", self.run.path)
            self.failed.emit(f"{self.run.name}: {error}")
        self.ended.emit()


def try_open(path: Path) -> tuple[Run | None, str]:
    """A run, or why it cannot be opened."""
    try:
        return open_run(path), ""
    except CosimError as error:
        return None, str(error)
    except (OSError, ValueError, KeyError) as error:
        log.exception("opening %s", path)
        return None, f"{path}: damaged run: {error}"
