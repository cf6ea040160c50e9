"""Starts the desktop program."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QSettings, QStandardPaths, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QApplication

from cosim import __version__
from cosim.errors import CosimError
from gui.widgets.errors import ExceptionHook, log_to
from gui.widgets.main_window import MainWindow

SETTINGS = "EDGE_COSIM_SETTINGS"
"""A file to keep settings in, instead of the user's."""


def settings() -> QSettings:
    """Where the program keeps what it remembers."""
    named = os.environ.get(SETTINGS)
    if named:
        return QSettings(named, QSettings.Format.IniFormat)
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "edge-cosim", "edge-cosim"
    )


def log_file() -> Path:
    """Where the program's log goes."""
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.CacheLocation)
    return Path(folder or ".") / "edge-cosim.log"


def main(paths: Sequence[str] = (), restore: bool = True) -> int:
    """Open the window and run until it is closed; returns the exit status.

    Raises
    ------
    CosimError
        If there is no screen to draw on, or a path does not exist.
    """
    for path in paths:
        if not Path(path).exists():
            raise CosimError("no such file or folder", where=path)
    _check_screen()
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    application = QApplication.instance() or QApplication(["edge-cosim"])
    assert isinstance(application, QApplication)
    application.setApplicationName("edge-cosim")
    application.setApplicationVersion(__version__)
    file = log_file()
    log_to(file)
    window = MainWindow(settings(), file)
    hook = ExceptionHook(window)
    hook.caught.connect(window.errors.tell)
    hook.install()
    window.show()
    window.start([Path(path) for path in paths], restore)
    try:
        return application.exec()
    finally:
        hook.remove()


def _check_screen() -> None:
    """Qt ends the process where it finds no screen; say so in one line instead."""
    asked = os.environ.get("QT_QPA_PLATFORM", "")
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform == "linux" and not asked and not any(os.environ.get(n) for n in screens):
        raise CosimError(
            "there is no screen here", where="cosim gui",
            expected="a desktop session; `cosim render` draws the same pictures without one",
        )  # fmt: skip
