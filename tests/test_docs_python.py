"""The examples of docs/python.md run as they stand, and their results show themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.explore.interface import run
from cosim.timeline.run_folder import load_run
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, swept

ROOT = Path(__file__).parents[1]


def test_the_examples_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("optuna")
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) > 8
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "faster than the slowest" in done.stdout


def test_results_show_themselves_in_a_line_and_as_html(tmp_path: Path) -> None:
    result = swept(tmp_path, SWEEP.replace('"900 mW"', '"345 mW"'))
    failed = len(result.table.failures)
    assert repr(result.table) == f"<36 points of two-layers, {failed} without a result>"
    shown = result._repr_html_()
    assert shown.count("<tr>") == len(result.table.front) + 1
    assert "latency_s" in shown
    outcome = run(write(tmp_path), out=tmp_path / "runs")
    assert repr(outcome) == f"<4 runs of two-layers in {tmp_path / 'runs'}>"
    assert outcome._repr_html_().count("<tr>") == 5
    assert repr(load_run(outcome.results[0].run_dir)).startswith("<run small on ultra96 in ")


def test_what_no_point_fulfils_is_said_in_the_notebook_too(tmp_path: Path) -> None:
    table = swept(tmp_path, "constraints = [\"latency_s < '1 ps'\"]\n" + SWEEP).table
    assert "exclude all 36 points" in table._repr_html_()
