"""Area and the list of a design's constants."""

from __future__ import annotations

import json

import pytest

from cosim import design
from cosim.cli.main import main
from cosim.design.area import area_of
from cosim.design.constants_of import constants_of


def test_the_area_of_a_design_is_that_of_its_parts():
    board = design.load("edge-asic-16x16")
    area = area_of(board)
    assert area.total_mm2 == pytest.approx(sum(area.parts_mm2.values()))
    wider = area_of(design.load("edge-asic-16x16", {"engine.array.columns": 32}))
    assert wider.parts_mm2["array"] == pytest.approx(2 * area.parts_mm2["array"])
    assert wider.parts_mm2["buffer input"] == area.parts_mm2["buffer input"]


def test_a_smaller_node_takes_less_area():
    areas = [
        area_of(design.load("edge-asic-16x16", {"technology.node": f"{node} nm"})).parts_mm2
        for node in (65, 45, 32, 22)
    ]
    for part in areas[0]:
        values = [each[part] for each in areas]
        assert values == sorted(values, reverse=True), part


def test_without_silicon_no_area_is_claimed():
    assert area_of(design.load("ultra96")).total_mm2 == 0
    logic = area_of(design.load("ultra96", {"technology.library": "zynq-ultrascale"}))
    assert (logic.total_mm2, logic.block_memories) == (0, 168)


@pytest.mark.parametrize("name", design.names())
def test_every_constant_of_a_board_tells_where_it_comes_from(name):
    loaded, constants = constants_of(name)
    assert loaded == design.load(name)
    assert all(constant.source for constant in constants)
    keys = [constant.key for constant in constants]
    assert len(set(keys)) == len(keys)
    assumed = {c.key for c in constants if c.assumed}
    assert all(line.split(" ")[0] in assumed for line in loaded.assumptions)


def test_a_constant_stated_without_a_source_names_its_line(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('base = "ultra96"\n[power]\nstatic = "1 mW"\n')
    _, constants = constants_of(file)
    (static,) = (c for c in constants if c.key == "power.static")
    assert static.source == f"stated in {file}:3"


def test_the_command_prints_constants_and_area(capsys):
    assert main(["list", "constants", "edge-asic-16x16"]) == 0
    out = capsys.readouterr().out
    assert "buffer.input.read_energy" in out
    assert "(derived)" in out
    assert "area, mm2" in out
    assert main(["list", "constants", "ultra96", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"key", "value", "source", "assumed", "derived"} == set(found["constants"][0])
    assert main(["list", "constants"]) == 2
    assert main(["list", "boards", "ultra96"]) == 2
