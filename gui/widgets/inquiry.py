"""Questions about tasks, answered by a process of its own; the latest question counts."""

from __future__ import annotations

import json
import logging
from typing import Any

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from gui.widgets.simulation import python_process

log = logging.getLogger(__name__)


class Inquiry(QObject):
    """Asks `gui.inspector`; its process starts with the first question and lives until `close`."""

    answered = pyqtSignal(dict)
    """The answer to the latest question; answers to earlier ones are dropped."""

    progress = pyqtSignal(float, str)
    failed = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._rest = b""
        self._asked = 0
        self._open = False
        self._waiting: dict[str, Any] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._open

    def ask(self, **question: Any) -> None:
        """Ask something; what was asked before and not begun is forgotten."""
        self._waiting = question
        if not self._open:
            self._send()

    def cancel(self) -> None:
        """Give up the question; the process is ended, the next one starts a new one."""
        self._waiting, self._open = None, False
        self._asked += 1
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(5000)
            process.deleteLater()

    def _send(self) -> None:
        if self._waiting is None:
            return
        if self._process is None:
            self._process = python_process("gui.inspector", self)
            self._process.readyReadStandardOutput.connect(self._read)
            self._process.finished.connect(self._on_end)
            self._process.start()
            self._rest = b""
        self._asked += 1
        question, self._waiting, self._open = self._waiting, None, True
        self._process.write(json.dumps({"id": self._asked, **question}).encode() + b"\n")

    def _read(self) -> None:
        if self._process is None:
            return
        self._rest += bytes(self._process.readAllStandardOutput())
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            try:
                self._take(json.loads(line))
            except ValueError:
                log.info("inspector: %s", line.decode(errors="replace"))

    def _take(self, line: dict[str, Any]) -> None:
        if line.get("id") != self._asked:
            return
        if "progress" in line:
            self.progress.emit(float(line["progress"]), str(line["what"]))
            return
        self._open = False
        newer = self._waiting is not None
        self._send()
        if newer:
            return
        if "error" in line:
            self.failed.emit(str(line["error"]))
        else:
            self.answered.emit(line)

    def _on_end(self) -> None:
        complaint = b""
        if self._process is not None:
            complaint = bytes(self._process.readAllStandardError())
            self._process.deleteLater()
        log.warning("inspector ended: %s", complaint.decode(errors="replace").strip())
        self._process, self._open = None, False
        self.failed.emit("the process that looks at values died; select the task again")
