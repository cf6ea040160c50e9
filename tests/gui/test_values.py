"""The values panel: what a selected task reads and writes, and its numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QRectF

from cosim.errors import CosimError
from cosim.machine.values.inspect import TileValues
from gui.inspector import Inspector
from gui.painting.heat_map import HeatMap, colour_of, short
from gui.painting.palette import palette
from gui.views.value_inspection import WINDOW, agreement, tile_data


def first_of(run, component: str) -> int:
    lane = next(s for s in run.intervals.lanes if s.lane.name.startswith(component))
    return int(lane.index.numbers(0, 1)[0])


@pytest.fixture(scope="session")
def inspector() -> Inspector:
    return Inspector()


def test_the_numbers_of_a_task_are_held_against_pytorchs(inspector, run_path, run):
    found = run.intervals.interval(first_of(run, "array"))
    question = {"id": 1, "run": str(run_path), "component": found.component, "task": found.task}
    answer = json.loads(json.dumps(inspector.answer({**question, "values": True})))
    assert answer["task"]["layer"] == found.layer
    assert answer["task"]["activity"] == found.activity
    assert answer["fault"] == ""
    held = {t["name"]: t for t in answer["tiles"]}
    assert all("equal PyTorch's" in agreement(t) or t["differing"] is None for t in held.values())
    weight = next(t for name, t in held.items() if "fc1.weight" in name)
    assert len(weight["rows"]) <= WINDOW
    assert all(weight["least"] <= v <= weight["most"] for row in weight["rows"] for v in row)


def test_regions_need_no_values(inspector, run_path, run):
    for component in ("array", "vector"):
        found = run.intervals.interval(first_of(run, component))
        question = {"run": str(run_path), "component": found.component, "task": found.task}
        answer = inspector.answer(question)
        assert set(answer) == {"task"}
        assert answer["task"]["reads"] or answer["task"]["writes"] or answer["task"]["uses"]


def test_a_run_of_another_mapping_is_told(inspector, run_path, tmp_path):
    copy = tmp_path / "run"
    copy.mkdir()
    for file in run_path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["workload"]["batch"] = 3
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CosimError, match="mapped otherwise than when this run was made"):
        inspector.answer({"run": str(copy), "component": "array", "task": 0})


def test_a_wrong_element_is_marked_and_counted():
    values = np.arange(80).reshape(1, 2, 40)
    expected = values.copy()
    expected[0, 1, 3] += 5
    tile = tile_data(TileValues("a tile", None, None, values, expected))
    assert (tile["differing"], tile["largest_difference"], tile["of"]) == (1, 5.0, [2, 40])
    assert tile["wrong"][1][3] == 1
    assert sum(map(sum, tile["wrong"])) == 1
    assert len(tile["rows"][0]) == WINDOW
    assert "1 of 80 elements are not PyTorch's" in agreement(tile)
    heat = HeatMap.of(tile, QRectF(0, 0, 320, 100))
    for row, column in ((0, 0), (1, 3), (1, WINDOW - 1)):
        assert heat.at(heat.cell(row, column).center()) == (row, column)
    assert heat.at(heat.body.bottomRight() + heat.body.bottomRight()) is None


def test_colours_grow_with_the_magnitude_and_tell_the_sign():
    colours = palette("light")
    lightness = [colour_of(v, 10.0, colours).lightnessF() for v in (0.0, 2.0, 5.0, 10.0)]
    assert lightness == sorted(lightness, reverse=True)
    assert colour_of(-10.0, 10.0, colours) != colour_of(10.0, 10.0, colours)
    assert short(1.23456e-7) == "1.2e-7"


def test_the_panel_follows_the_selection_while_it_is_in_sight(opened, qtbot):
    panel = opened.values
    number = first_of(opened.state.run, "array")
    opened.state.change(selected=number)
    assert not panel.inquiry.is_busy  # nobody looks
    opened.details.values.click()
    qtbot.waitUntil(lambda: not panel.inquiry.is_busy, timeout=60000)
    assert "fc1" in panel.text.text()
    assert "reads" in panel.text.text()
    assert panel.map.tile is None
    panel._take({
        "task": {"layer": "fc1", "activity": "compute", "tile": {}, "reads": [], "writes": [],
                 "takes": [], "frees": []},
        "tiles": [tile_data(TileValues("t", None, None, np.eye(4)[None], np.eye(4)[None]))],
    })  # fmt: skip
    assert "equal PyTorch's" in panel.agreement.text()
    picture = panel.map.grab().toImage()
    assert picture.pixelColor(QPoint(6, 6)) != picture.pixelColor(QPoint(60, 6))
    opened.show_panel("details")
