"""Qt models keep Qt's rules, and sort and filter as the table does."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPersistentModelIndex, Qt

from gui.views.design_table import table_of, table_of_folders
from gui.views.run_data import find_runs
from gui.widgets.design_model import DesignModel
from gui.widgets.details_panel import RangeModel


@pytest.fixture
def table(runs):
    return table_of_folders(find_runs(runs))


def test_the_design_model_keeps_the_rules(qtmodeltester, qtbot, table):
    model = DesignModel()
    model.show(table)
    qtmodeltester.check(model, force_py=False)
    model.sort(3, Qt.SortOrder.DescendingOrder)
    model.filter("ultra96")
    qtmodeltester.check(model, force_py=False)


def test_the_range_model_keeps_the_rules(qtmodeltester, qtbot, run):
    model = RangeModel()
    model.show(run, 0, run.makespan_ps)
    assert model.rowCount() > 5
    qtmodeltester.check(model, force_py=False)


def test_sorting_is_by_value_and_keeps_what_is_pointed_at(table, qtbot):
    model = DesignModel()
    model.show(table)
    column = table.columns.index("latency")
    kept = QPersistentModelIndex(model.index(0, 0))
    name = model.data(model.index(0, 1))
    model.sort(column, Qt.SortOrder.DescendingOrder)
    shown = table.numbers["latency"][model.order]
    assert (np.diff(shown) <= 0).all()
    assert model.data(model.index(kept.row(), 1)) == name


def test_a_filter_that_is_no_regular_expression_changes_nothing(table, qtbot):
    model = DesignModel()
    model.show(table)
    assert "not a regular expression" in model.filter("(")
    assert model.rowCount() == 3


def test_filters_find_what_a_walk_over_all_cells_finds():
    summaries = [
        {"workload": f"net{i % 5}", "design": f"rows {i}", "latency_s": i} for i in range(400)
    ]
    table = table_of(summaries, [{}] * 400, [None] * 400)
    for pattern, wanted in (
        ("rows 3", lambda i: f"rows {i}".startswith("rows 3")),
        ("NET2", lambda i: i % 5 == 2),
        (r"rows \d$", lambda i: i < 10),
        ("nothing", lambda i: False),
    ):
        expected = [i for i in range(400) if wanted(i)]
        assert table.matching(pattern).tolist() == expected, pattern


def test_the_pareto_front_is_what_nothing_beats():
    random = np.random.default_rng(3)
    values = random.integers(0, 12, (120, 2)).astype(float)
    summaries = [{"latency_s": a, "energy_j": b} for a, b in values.tolist()]
    table = table_of(summaries, [{}] * 120, [None] * 120)
    front = set(table.pareto(["latency", "energy"]).tolist())
    for i, point in enumerate(values):
        beaten = ((values <= point).all(axis=1) & (values < point).any(axis=1)).any()
        assert (i in front) == (not beaten)
