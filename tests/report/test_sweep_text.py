"""A sweep's tables on narrow terminals: whole cells, and what is left out is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from cosim.report.sweep_text import named, sweep_report
from tests.explore.small_sweep import SWEEP, swept

ASKED = (
    SWEEP.replace('"design.power.budget" = ["unlimited", "900 mW"]', "")
    + """
[objectives]
latency_s = "min"
energy_j = "min"

[report]
columns = ["breakdown.compute", "breakdown.bandwidth", "breakdown.vector", "dram_bytes"]
best_by = ["design.engine.array.rows"]
"""
)


@pytest.mark.parametrize("width", [70, 80, 100, 140, 220])
def test_cells_are_whole_at_every_width(tmp_path: Path, width: int) -> None:
    table = swept(tmp_path, ASKED).table
    console = Console(width=width, record=True, file=(tmp_path / "text").open("w"))
    sweep_report(console, table)
    text = console.export_text()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert ("too narrow here for" in text) == (width < 90)
    for row in table.front:
        assert row.varied["design.dram.bandwidth"] in text


def test_long_names_of_columns_are_broken_behind_dots() -> None:
    column = "layers.stage1_block2.branch.0.0.array_cycles"
    assert named(column) == "stage1_block2.\nbranch.0.0\narray cycles"
