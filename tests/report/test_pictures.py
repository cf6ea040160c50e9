"""Pictures are well-formed, say what they show, and draw lengths that add up."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.analysis.breakdown import LABELS
from cosim.analysis.memory import ROLES
from cosim.analysis.summary import Analysis, analyse
from cosim.mapping.program import Program
from cosim.report import breakdown_picture, memory_picture, palette
from cosim.report.quantities import percent, seconds, size
from cosim.report.svg import Svg, nice_step, shortened
from cosim.report.time_picture import FEW, time_picture
from tests.analysis.tiny import DESIGN, program, run

parts = st.dictionaries(st.sampled_from(LABELS), st.integers(1, 10**12), min_size=1)


def analysis(made: Program) -> Analysis:
    rows = run(made)
    return analyse(made, DESIGN, rows, int(rows.end.max()))


def rectangles(picture: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(picture) if e.tag == "rect"]


def test_every_cause_and_role_has_its_colour_and_every_cause_its_words() -> None:
    assert set(palette.CAUSE_COLOURS) == set(palette.CAUSE_WORDS) == set(LABELS)
    assert set(palette.ROLE_COLOURS) == set(ROLES)
    assert len(set(palette.CAUSE_COLOURS.values())) == len(LABELS)


@given(st.lists(parts, min_size=1, max_size=5))
def test_the_longest_bar_fills_the_plot_and_the_others_are_to_scale(
    breakdowns: list[dict[str, int]],
) -> None:
    named = [(f"run {i}", found) for i, found in enumerate(breakdowns)]
    picture = breakdown_picture.breakdown_bars(named, "bars")
    by_row: dict[str, float] = {}
    for shape in rectangles(picture):
        y = shape.get("y", "")
        by_row[y] = by_row.get(y, 0.0) + float(shape.get("width", "0"))
    longest = max(sum(found.values()) for found in breakdowns)
    plot = breakdown_picture.WIDTH - breakdown_picture.LEFT - breakdown_picture.RIGHT
    for drawn, found in zip(by_row.values(), breakdowns, strict=True):
        assert drawn == pytest.approx(plot * sum(found.values()) / longest, abs=0.1)


def test_a_part_says_its_cause_its_time_and_its_share() -> None:
    picture = breakdown_picture.breakdown_bars([("A", {"compute": 750, "host": 250})], "bars")
    tips = [e.text for shape in rectangles(picture) for e in shape]
    assert tips[0] == "compute: 750 ps, 75\u00a0% of A (the array multiplies)"


def test_names_cannot_break_the_picture() -> None:
    picture = breakdown_picture.breakdown_bars([('<b>&"x"', {"compute": 1})], 'says "<&>"')
    root = ElementTree.fromstring(picture)
    assert root.get("aria-label") == 'says "<&>"'


def test_memory_bars_stack_roles_from_what_stays_to_what_goes() -> None:
    roles = memory_picture.ordered({"activation": 5, "weight": 3, "other": 1})
    assert roles == ["weight", "activation", "other"]


def test_a_lane_with_few_intervals_shows_each_with_its_cause() -> None:
    picture = time_picture(analysis(program(tiles=3)), "tiny")
    tips = [e.text or "" for e in ElementTree.fromstring(picture).iter() if e.tag == "title"]
    assert sum("second compute" in tip for tip in tips) == 3
    assert any("after waiting" in tip and "for input" in tip for tip in tips)


def test_a_lane_with_many_intervals_is_merged_and_says_so() -> None:
    picture = time_picture(analysis(program(tiles=FEW)), "tiny")
    assert "many short intervals" in picture
    assert len(picture) < 400_000


def test_the_critical_path_is_drawn_as_long_as_the_run() -> None:
    picture = time_picture(analysis(program(compute_cycles=4000)), "tiny")
    drawn = [s for s in rectangles(picture) if s.get("class") == "critical"]
    lane = next(s for s in rectangles(picture) if s.get("class") == "lane")
    total = sum(float(shape.get("width", "0")) for shape in drawn)
    assert total == pytest.approx(float(lane.get("width", "0")), rel=0.02)


def test_everything_drawn_lies_within_the_picture() -> None:
    root = ElementTree.fromstring(time_picture(analysis(program(tiles=40)), "tiny"))
    _, _, width, height = (float(x) for x in root.get("viewBox", "").split())
    for shape in root.iter("rect"):
        x, y = float(shape.get("x", "0")), float(shape.get("y", "0"))
        assert 0 <= x <= x + float(shape.get("width", "0")) <= width + 0.1
        assert 0 <= y <= y + float(shape.get("height", "0")) <= height + 0.1


@given(st.floats(1e-6, 1e18), st.integers(1, 9))
def test_axis_steps_are_round_and_neither_too_many_nor_too_few(largest: float, wanted: int) -> None:
    step = nice_step(largest, wanted)
    assert largest / step <= wanted * 1.0001
    assert largest / step > wanted / 3
    assert re.fullmatch(r"(1|2|2\.5|5)e[+-]\d+", f"{step:.1e}".replace(".0e", "e"))


def test_long_names_are_cut_to_what_fits() -> None:
    assert shortened("conv1", 100) == "conv1"
    assert shortened("a very long layer name", 60).endswith("…")
    assert shortened("conv1", 5) == ""


def test_numbers_are_short_in_the_picture_file() -> None:
    svg = Svg(10, 10, "")
    svg.rectangle(1 / 3, 0.1 + 0.2, 1, 2.50, "#fff")
    assert 'x="0.33" y="0.3" width="1" height="2.5"' in svg.render()


def test_quantities_carry_their_units() -> None:
    assert seconds(0.00131) == "1.31 ms"
    assert size(2048) == "2 KiB"
    assert percent(0.001) == "< 1\u00a0%"
    assert percent(0) == "0\u00a0%"


def test_layers_keep_the_end_of_their_names() -> None:
    assert shortened("stage4_block1.conv2", 60, keep_end=True) == "…k1.conv2"
