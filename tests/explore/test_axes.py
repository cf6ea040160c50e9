"""Axes mean what they say, and say what is wrong with them."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim import units
from cosim.errors import CosimError
from cosim.explore.axes import linked_axis, read_axis
from cosim.explore.expressions import parse_expression, plain
from cosim.explore.scenario_file import read_scenario
from tests.explore.small_scenario import write

_DOCS = Path(__file__).parents[2] / "docs"
KEY = "design.engine.array.rows"


def values(written: object) -> list[object]:
    return [value for (value,) in read_axis(KEY, written, "").choices]


@given(st.integers(0, 100), st.integers(1, 20), st.integers(0, 50))
def test_a_range_has_both_ends_and_equal_steps(first: int, step: int, count: int) -> None:
    last = first + step * count
    assert values({"range": [first, last], "step": step}) == list(range(first, last + 1, step))


def test_ranges_of_quantities_are_quantities() -> None:
    written = {"range": ["100 MHz", "300 MHz"], "step": "100 MHz"}
    assert values(written) == ["100 MHz", "200 MHz", "300 MHz"]


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(2, 9))
def test_a_log_axis_has_both_ends_and_nearly_equal_ratios(low: int, more: int, points: int) -> None:
    found = values({"log": [low * 1000, (low + more) * 1000], "points": points})
    assert found[0] == low * 1000
    assert found[-1] == (low + more) * 1000
    assert len(found) == points
    ratios = [Fraction(b, a) for a, b in itertools.pairwise(found)]  # type: ignore[arg-type]
    assert max(ratios) / min(ratios) < 1.01


def test_log_axes_of_quantities_are_quantities() -> None:
    written = {"log": ["1 GB/s", "4 GB/s"], "points": 3}
    assert values(written) == ["1 GB/s", "2 GB/s", "4 GB/s"]


def test_linked_keys_go_together() -> None:
    axis = linked_axis({"design.a": [1, 2], "design.b": ["x", "y"]}, "")
    assert axis.keys == ("design.a", "design.b")
    assert axis.choices == ((1, "x"), (2, "y"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "varies over nothing; expected at least one value"),
        (8, "is 8; expected a list of values"),
        ({"rang": [1, 2]}, "unknown key 'rang' in the axis"),
        ({"range": [1, 4], "log": [1, 4]}, "has range and log; expected exactly one"),
        ({"range": [4, 1]}, "goes over [4, 1]; expected [first, last]"),
        ({"range": [1, "4 MHz"]}, "expected [first, last]"),
        ({"range": [1, 4], "step": 0}, "step is 0; expected a step above zero"),
        ({"range": [1, 10**9]}, "expected at most 10000"),
        ({"log": [1, 4]}, "points is None; expected a whole number from 2"),
        ({"log": [0, 4], "points": 3}, "log from 0"),
    ],
)
def test_what_is_no_axis_is_said(written: object, said: str) -> None:
    with pytest.raises(CosimError) as caught:
        read_axis(KEY, written, "sweep.toml:3")
    assert said in str(caught.value)
    assert str(caught.value).startswith("sweep.toml:3: ")


def test_linked_keys_of_different_lengths_are_refused() -> None:
    with pytest.raises(CosimError, match="different numbers of values"):
        linked_axis({"design.a": [1, 2], "design.b": [1]}, "")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("design.rows * 2 <= 16", True),
        ("design.rows > 8 or design.name == 'fast'", True),
        ("design.bandwidth >= '1 GB/s'", False),
        ("design.bandwidth < '1000 MB/s' and not design.rows < 8", True),
        ("design.budget > '10 W'", True),
        ("design.rows in (4, 8)", True),
        ("'1 ms' == 0.001", True),
        ("'1 W' == '1000 mW'", True),
    ],
)
def test_conditions_compute_with_numbers_texts_and_quantities(text: str, holds: bool) -> None:
    written = {"design.rows": 8, "design.name": "fast", "design.bandwidth": "900 MB/s",
               "design.budget": "unlimited"}  # fmt: skip
    seen = {key: plain(value) for key, value in written.items()}
    assert parse_expression(text)(seen) is holds


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "().__class__", "[x for x in a]", "a.b()", "a[0]", "lambda: 1", "a <",
     "f'{a}'", ""],
)  # fmt: skip
def test_conditions_are_no_programs(text: str) -> None:
    with pytest.raises(CosimError):
        parse_expression(text, "here")


def test_conditions_that_cannot_be_computed_are_said() -> None:
    with pytest.raises(CosimError, match="cannot compute 'a < 1'"):
        parse_expression("a < 1")({"a": "text"})
    with pytest.raises(CosimError, match=r"unknown name 'a\.rowz'"):
        parse_expression("a.rowz < 1", "here").check_names(["a.rows"])


@pytest.mark.parametrize("quantity", units.QUANTITIES, ids=lambda quantity: quantity.name)
def test_conditions_know_every_quantity_in_si(quantity: units.Quantity) -> None:
    text = quantity.format(1_000_000, digits=None)
    value = plain(text)
    assert isinstance(value, float)
    assert value > 0


SCENARIO = """
where = ["design.engine.array.rows * design.engine.array.columns <= 128"]

[[workload]]
name = "small"
file = "small.json"

[[design]]
base = "edge-asic-16x16"

[vary]
"design.engine.array.rows" = [8, 16]
"design.engine.array.columns" = { list = [8, 16], only = "design.engine.array.rows == 16" }
"""


def test_conditions_exclude_points_and_axes_apply_only_where_they_say(tmp_path: Path) -> None:
    points = read_scenario(write(tmp_path, SCENARIO)).points()
    assert [point.varied for point in points] == [
        {"design.engine.array.rows": 8},
        {"design.engine.array.rows": 16, "design.engine.array.columns": 8},
    ]


def test_conditions_know_a_design_by_the_name_the_scenario_gives_it(tmp_path: Path) -> None:
    text = SCENARIO.replace('base = "edge', 'name = "mine"\nbase = "edge').replace(
        'only = "design.engine.array.rows == 16"', "only = \"design.name == 'mine'\""
    )
    assert len(read_scenario(write(tmp_path, text)).points()) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rows * design", "rowz * design", "unknown name 'design.engine.array.rowz'"),
        ("<= 128", "<= open('x')", "uses Call, which conditions may not"),
        ('only = "design.engine', 'only = "desing.engine', "unknown name 'desing.engine.array"),
        ("[8, 16]\n", "[]\n", "varies over nothing"),
        ("[vary]", '[sweep]\nmethod = "gird"\n[vary]', "sweep.method"),
        ("[vary]", '[[linked]]\n"design.engine.array.rows" = [1]\n[vary]', "varies twice"),
    ],
)
def test_mistakes_are_one_line_with_their_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = SCENARIO.replace(old, new, 1)
    assert text != SCENARIO
    with pytest.raises(CosimError) as caught:
        read_scenario(write(tmp_path, text))
    assert said in str(caught.value)
    assert "two-layers.toml:" in str(caught.value)
    assert "\n" not in str(caught.value)
