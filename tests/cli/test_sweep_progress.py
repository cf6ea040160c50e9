"""Where nobody looks, a sweep says a line now and then, and nothing of what is over soon."""

from __future__ import annotations

import pytest

from cosim.cli.sweep_progress import FIRST_LINE_S, LINES_EVERY_S, Lines


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_after_a_while_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = Lines(clock)
    lines.start(1000)
    lines.advance(200, reused=200)
    clock.now += 10
    lines.advance(100)
    assert capsys.readouterr().err == ""
    clock.now += FIRST_LINE_S - 10
    lines.advance(100, failed=3)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "400 of 1000 points, 10 points/s, about 60 s left" in said
    assert "200 from the store, 3 failed" in said
    clock.now += LINES_EVERY_S / 2
    lines.advance(1)
    assert capsys.readouterr().err == ""
    clock.now += LINES_EVERY_S / 2
    lines.advance(1)
    assert capsys.readouterr().err.count("\n") == 1
    lines.ending()
    assert "ending with what runs now" in capsys.readouterr().err
