"""What goes wrong inside the program is shown and logged, and the program lives on."""

from __future__ import annotations

import logging

import pytest
from PyQt6.QtCore import QTimer

from cosim.errors import CosimError
from gui.widgets.errors import ExceptionHook, log_to


@pytest.fixture
def hooked(opened, qtbot):
    """The window with exceptions caught as the program catches them."""
    with qtbot.captureExceptions():  # puts its own hook back at the end
        hook = ExceptionHook(opened)
        hook.caught.connect(opened.errors.tell)
        hook.install()
        yield opened
        hook.remove()
    opened.errors.done(0)


def fail(error: Exception) -> None:
    raise error


def test_an_exception_in_a_slot_is_shown_and_the_program_lives_on(hooked, qtbot, caplog):
    with caplog.at_level(logging.ERROR, logger="gui"):
        QTimer.singleShot(0, lambda: fail(ZeroDivisionError("in a slot")))
        qtbot.waitUntil(hooked.errors.isVisible, timeout=5000)
    assert "ZeroDivisionError: in a slot" in hooked.errors.text()
    assert "Traceback" in hooked.errors.detailedText()
    assert any("in a slot" in record.getMessage() for record in caplog.records)
    start, _ = hooked.state.window
    hooked.navigation.zoom_in()
    assert hooked.state.window[0] > start


def test_an_exception_in_an_action_is_shown_as_well(hooked, qtbot, monkeypatch):
    monkeypatch.setattr(hooked.opening, "open_run", lambda _path: fail(KeyError("gone")))
    hooked.registry.actions["file.reload"].trigger()
    assert "KeyError: 'gone'" in hooked.errors.text()


def test_a_mistake_of_the_user_is_told_in_its_own_words(hooked, qtbot):
    QTimer.singleShot(0, lambda: fail(CosimError("no such part", where="here.toml")))
    qtbot.waitUntil(hooked.errors.isVisible, timeout=5000)
    assert "CosimError" not in hooked.errors.text()
    assert "here.toml" in hooked.errors.text()


def test_many_exceptions_show_one_box(hooked, qtbot):
    for number in range(5):
        QTimer.singleShot(0, lambda n=number: fail(ValueError(f"the {n}th")))
    qtbot.waitUntil(lambda: "5 problems" in hooked.errors.text(), timeout=5000)


@pytest.mark.parametrize("name", ["timeline", "memory", "breakdown", "machine"])
def test_a_panel_that_cannot_be_drawn_says_so_and_others_go_on(opened, monkeypatch, qtbot, name):
    monkeypatch.setattr(
        opened.panels[name], "paint_picture", lambda *_a: fail(ZeroDivisionError("by hand"))
    )
    opened.show_panel(name)
    port = opened.panels[name].viewport()
    assert port.grab().toImage().pixelColor(3, 3).name() == "#7d1f1f"
    other = opened.panels["power"]
    other.viewport().grab()
    assert other.scene_drawn.hits
    monkeypatch.undo()
    assert port.grab().toImage().pixelColor(3, 3).name() != "#7d1f1f"


def test_the_log_is_kept_in_a_file(tmp_path):
    logger = logging.getLogger("gui")
    before = list(logger.handlers)
    log_to(tmp_path / "logs" / "gui.log")
    added = [handler for handler in logger.handlers if handler not in before]
    try:
        logger.error("something to read later")
    finally:
        for handler in added:
            logger.removeHandler(handler)
            handler.close()
    assert "something to read later" in (tmp_path / "logs" / "gui.log").read_text()
