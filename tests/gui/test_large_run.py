"""What large runs get in pieces equals what small ones get at once."""

from __future__ import annotations

import numpy as np
import pytest

from cosim.timeline.timeline import Timeline
from gui.views.large_run import binned_counters, path_on_disk


@pytest.fixture(scope="module")
def plain(run) -> Timeline:
    rows = run.timeline.rows()
    back = np.where(rows.cause_row >= 0, rows.number - rows.cause_row, 0)
    table = np.stack(
        [
            rows.component,
            rows.template,
            rows.task,
            rows.lane,
            rows.start,
            rows.end,
            rows.cause,
            back,
        ],
        axis=1,
    )
    return Timeline.from_table(run.outline, table.astype(np.int64))


def test_the_path_on_disk_is_the_critical_path(run, plain):
    assert np.array_equal(path_on_disk(run.program, plain).numbers, run.critical.numbers)


@pytest.mark.parametrize("name", ["power", "DRAM bandwidth"])
def test_binned_counters_have_the_same_means(run, plain, name, monkeypatch):
    monkeypatch.setattr("gui.views.disk.CHUNK_ROWS", 97)
    binned = binned_counters(run.program, plain, run.makespan_ps, {})[name]
    for share in (1, 2, 5, 11):
        start, end = run.makespan_ps // (share + 1), run.makespan_ps // share
        exact = run.counters[name].average(start, end)
        assert binned.average(start, end) == pytest.approx(exact, rel=2e-3, abs=1e-3 * exact + 1)
