"""Simulations in a process of their own: progress, cancel, and what went wrong."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, pyqtSignal

from gui.views.what_if import Job

log = logging.getLogger(__name__)


def python_process(module: str, parent: QObject) -> QProcess:
    """A process that will run a module of this program."""
    process = QProcess(parent)
    process.setProgram(sys.executable)
    process.setArguments(["-m", module])
    environment = QProcessEnvironment.systemEnvironment()
    # the package may be used from its folder, without being installed
    root = str(Path(__file__).resolve().parents[2])
    known = environment.value("PYTHONPATH")
    environment.insert("PYTHONPATH", os.pathsep.join(filter(None, (root, known))))
    environment.insert("PYTHONUNBUFFERED", "1")
    process.setProcessEnvironment(environment)
    return process


class Simulation(QObject):
    """One running job.

    `finished` carries the folders of the runs it wrote; `failed` one clear line.
    """

    progress = pyqtSignal(float, str)
    finished = pyqtSignal(list)
    failed = pyqtSignal(str)
    ended = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process = python_process("gui.job", self)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._on_end)
        self._process.errorOccurred.connect(self._on_error)
        self._rest = b""
        self._runs: list[Path] = []
        self._problems: list[str] = []
        self._cancelled = False
        self._over = False

    def start(self, job: Job) -> None:
        """Start the process with a job."""
        self._process.start()
        self._process.write(job.to_json().encode())
        self._process.closeWriteChannel()

    @property
    def is_running(self) -> bool:
        return self._process.state() != QProcess.ProcessState.NotRunning

    @property
    def pid(self) -> int:
        """Process id, 0 when it does not run."""
        return int(self._process.processId() or 0)

    def cancel(self) -> None:
        """Stop the process; nothing it was writing stays."""
        self._cancelled = True
        self._process.kill()

    def close(self) -> None:
        """Cancel and wait: for when the program ends."""
        self.blockSignals(True)
        if self.is_running:
            self._process.kill()
            self._process.waitForFinished(5000)

    def _read(self) -> None:
        self._rest += bytes(self._process.readAllStandardOutput())
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            try:
                self._take(json.loads(line))
            except ValueError:
                log.info("simulation: %s", line.decode(errors="replace"))

    def _take(self, line: dict[str, object]) -> None:
        if "progress" in line:
            self.progress.emit(float(str(line["progress"])), str(line.get("what", "")))
        elif "run" in line:
            self._runs.append(Path(str(line["run"])))
        elif "failed" in line:
            self._problems.append(f"{line['failed']}: {line.get('why', '')}")
        elif "error" in line:
            self._problems.append(str(line["error"]))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(f"the simulation could not be started: {self._process.errorString()}")

    def _on_end(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        complaint = bytes(self._process.readAllStandardError()).decode(errors="replace").strip()
        if complaint:
            log.warning("simulation process: %s", complaint)
        if self._cancelled:
            self._end("cancelled")
        elif status == QProcess.ExitStatus.CrashExit:
            self._end("the simulation's process died: it was killed, or ran out of memory")
        elif code and not self._problems:
            last = complaint.splitlines()[-1] if complaint else f"it returned {code}"
            self._end(f"the simulation failed: {last}")
        else:
            self._end("; ".join(self._problems))

    def _end(self, problem: str) -> None:
        if self._over:
            return
        self._over = True
        if self._runs:
            self.finished.emit(list(self._runs))
        if problem or not self._runs:
            self.failed.emit(problem or "the simulation gave no run")
        self.ended.emit()
