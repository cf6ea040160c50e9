"""Prepares runs and tables in threads, so that the window never waits for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from cosim.errors import CosimError
from gui.views.design_table import DesignTable
from gui.views.run_data import Run, open_run

log = logging.getLogger(__name__)


class Worker(QObject):
    """Something that a thread does: `ended` at last, `failed` with one line before it if so."""

    failed = pyqtSignal(str)
    ended = pyqtSignal()

    def __init__(self, what: str, run: Run | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.what, self.run = what, run
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"prepare {what}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop at the next opportunity and wait for it."""
        self.blockSignals(True)
        self.stop.set()
        if self._thread.ident is not None:
            self._thread.join(30)

    def work(self) -> None:
        """What is done; runs in the thread."""

    def _work(self) -> None:
        try:
            self.work()
        except CosimError as error:
            self.failed.emit(str(error))
        except Exception as error:
            log.exception("preparing %s", self.what)
            self.failed.emit(f"{self.what}: {error}")
        self.ended.emit()


class Loader(Worker):
    """Prepares one run: `ready` after each part."""

    ready = pyqtSignal(str, float)

    def __init__(self, run: Run, parent: QObject | None = None) -> None:
        super().__init__(run.name, run, parent)

    def work(self) -> None:
        assert self.run is not None
        self.run.prepare(lambda what, part: self.ready.emit(what, part), self.stop)


class TableReader(Worker):
    """Reads a table of many design points: `made` carries it."""

    made = pyqtSignal(object)

    def __init__(
        self, what: str, read: Callable[[], DesignTable], parent: QObject | None = None
    ) -> None:
        super().__init__(what, None, parent)
        self._read = read

    def work(self) -> None:
        self.made.emit(self._read())


def try_open(path: Path) -> tuple[Run | None, str]:
    """A run, or why it cannot be opened."""
    try:
        return open_run(path), ""
    except CosimError as error:
        return None, str(error)
    except (OSError, ValueError, KeyError) as error:
        log.exception("opening %s", path)
        return None, f"{path}: damaged run: {error}"
