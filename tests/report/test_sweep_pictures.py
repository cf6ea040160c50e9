"""The pictures of a sweep's and a search's report."""

from __future__ import annotations

import re

import pytest

from cosim.explore.importance import importance
from cosim.report.effects_picture import MOST_VALUES, WIDTH, effects_picture
from cosim.report.scatter_picture import scatter_picture
from cosim.report.search_picture import search_section


def widths(svg: str) -> list[float]:
    return [float(w) for w in re.findall(r'<rect[^>]* width="([\d.]+)"', svg)]


def test_bars_are_as_long_as_the_means_and_the_best_is_marked() -> None:
    found = importance([1.0, 2.0, 4.0, 8.0], {"a": ["x", "x", "y", "y"], "b": [1, 2, 1, 2]})
    svg = effects_picture(found, {"a": "A", "b": "B"}, lambda v: f"{v:.3g} s", "means")
    # geometric means: sqrt(2), sqrt(32); 2, 4
    bars = widths(svg)
    assert bars[1] / bars[0] == pytest.approx(4, rel=1e-3)
    assert bars[3] / bars[2] == pytest.approx(2, rel=1e-3)
    assert max(bars) < WIDTH
    assert svg.count("#0072b2") == 2
    assert "A x: 1.41 s on average" in svg


def test_of_many_values_both_ends_are_drawn() -> None:
    results = [float(i + 1) for i in range(100)]
    found = importance(results, {"a": list(range(100))})
    svg = effects_picture(found, {"a": "A"}, str, "means")
    assert len(widths(svg)) == MOST_VALUES
    assert "A 0:" in svg
    assert "A 99:" in svg


def test_an_axis_of_one_value_is_not_drawn() -> None:
    found = importance([1.0, 2.0], {"a": ["x", "x"], "b": ["y", "z"]})
    assert len(widths(effects_picture(found, {"a": "A", "b": "B"}, str, "means"))) == 2


def test_the_front_is_joined_only_where_it_is_a_line() -> None:
    points = [(1.0, 3.0, "g", "one"), (2.0, 2.0, "g", "two"), (3.0, 1.0, "g", "three")]
    arguments = (points, [0, 1, 2], 1, ("x", "y"), (str, str))
    assert "<path" in scatter_picture(*arguments)
    apart = scatter_picture(*arguments, joined=False)
    assert "<path" not in apart
    assert "knee" in apart


def test_every_search_is_a_line_and_none_is_nothing() -> None:
    page = search_section([[(10, 1.0), (20, 2.0)], [(10, 1.5), (20, 1.8)]])
    assert page.count("<path") == 2
    assert search_section([[]]) == ""
    assert search_section([[(5, 0.0)]]) == ""
