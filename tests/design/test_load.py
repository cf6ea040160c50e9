"""Loading a design: bases, provenance, overrides, and the hash of what matters."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim import design
from cosim.design.design import Dataflow
from cosim.design.document import read_document
from cosim.design.model_tree import Node, leaf_paths
from cosim.design.overrides import parse_override
from cosim.design.template import model_of
from cosim.errors import CosimError


@pytest.fixture
def write(tmp_path):
    """Writes a design file and returns its path."""

    def write(text: str, name: str = "mine.toml"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


def paths_of(name: str) -> list[tuple[str, ...]]:
    """Every dotted path that a board states."""
    document = read_document(name)
    values = document.values
    stated = []
    for path in leaf_paths(Node(model_of(document)), values):
        inner: object = values
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if inner is not None:
            stated.append(path)
    return stated


def test_quantities_become_base_units():
    board = design.load("pynq-z1")
    assert board.clock("fabric").period_ps == 10_000
    assert board.array.dataflow is Dataflow.OUTPUT_STATIONARY
    assert board.buffer("weight").size_bytes == 128 * 1024
    assert board.host.command_overhead_ps == 2_000_000
    assert board.power.static_mw == 125
    assert board.power.budget_mw is None
    assert board.dram.capacity_bytes == 512 * 2**20
    assert board.buffer("input").read_pj_per_byte == pytest.approx(0.42 * 8)


def test_a_base_gives_all_that_a_file_leaves_out(write):
    file = write(
        'base = "ultra96"\nname = "mine"\n[power]\nbudget = "1 W"\n[engine.array]\nrows = 8\n'
    )
    mine, base = design.load(file), design.load("ultra96")
    assert mine == replace(
        base,
        name="mine",
        array=replace(base.array, rows=8),
        power=replace(base.power, budget_mw=1000.0),
    )


def test_an_empty_table_changes_nothing(write):
    file = write('base = "ultra96"\n[power]\n[engine]\n')
    assert design.load(file) == design.load("ultra96")


def test_bases_follow_files_relative_to_the_file_that_names_them(write):
    write('base = "pynq-z1"\nname = "a"\n[engine.array]\nrows = 4\n', "parts/a.toml")
    write('base = "a.toml"\nname = "b"\n', "parts/b.toml")
    file = write('base = "parts/b.toml"\n[engine.array]\ncolumns = 2\n')
    mine = design.load(file)
    assert (mine.name, mine.array.rows, mine.array.columns) == ("b", 4, 2)


def test_a_design_cannot_be_its_own_base(write):
    write('base = "b.toml"\n', "a.toml")
    file = write('base = "a.toml"\n', "b.toml")
    with pytest.raises(CosimError, match="its own base"):
        design.load(file)


def test_a_budget_of_the_base_can_be_lifted(write):
    file = write('base = "ultra96"\n[power]\nbudget = "1 W"\n')
    assert design.load(file).power.budget_mw == 1000
    assert design.load(file, {"power.budget": "unlimited"}).power.budget_mw is None


def test_provenance_is_followed_and_assumptions_are_kept(write):
    file = write(
        'base = "edge-asic-16x16"\n'
        '[power]\nstatic = { value = "5 mW", source = "measured" }\n'
        '[host]\nactive_power = { value = "9 mW", source = "guess", assumed = true }\n'
        '[engine.array.precision.int4]\nenergy = { from = "horowitz-45nm.ternary-mac" }\n'
    )
    mine = design.load(file)
    assert mine.power.static_mw == 5
    assert not any(line.startswith("power.static") for line in mine.assumptions)
    assert "host.active_power = 9 mW: guess" in mine.assumptions
    assert mine.array.precisions[-1].name == "int4"
    assert mine.array.precisions[-1].energy_pj == 0.12


def test_what_is_overridden_is_no_longer_assumed():
    before = design.load("pynq-z1").assumptions
    after = design.load("pynq-z1", {"engine.array.idle_power": "80 mW"}).assumptions
    assert set(before) - set(after) == {
        "engine.array.idle_power = 150 mW: clock tree, LUTs and registers of the array"
    }


def test_dram_figures_can_be_stated_instead_of_computed():
    stated = design.load("ultra96", {"dram.bandwidth": "100 GB/s", "dram.latency": "0 ns"})
    assert stated.dram.bandwidth_bytes_per_s == 10**11
    assert stated.dram.latency_ps == 0
    assert stated.dram.efficiency == design.load("ultra96").dram.efficiency


@pytest.mark.parametrize("name", design.names())
def test_overriding_a_key_with_its_own_value_changes_no_result(name):
    values = read_document(name).values
    for path in paths_of(name):
        value: object = values
        for key in path:
            value = value[key]
        again = design.load(name, {".".join(path): value})
        assert design.content_hash(again) == design.content_hash(design.load(name)), path


def test_an_override_may_add_a_named_entry():
    added = design.load("pynq-z1", {"engine.array.precision.int4": {"energy": "4 pJ"}})
    assert [precision.name for precision in added.array.precisions][-1] == "int4"


def test_a_catalogue_board_is_not_changed_by_loading_it_otherwise():
    before = design.load("ultra96")
    design.load("ultra96", {"engine.array.rows": 3, "buffer.input.size": "1 KiB"})
    assert design.load("ultra96") == before


@given(rows=st.integers(1, 4096), columns=st.integers(1, 4096))
def test_the_hash_tells_designs_apart_by_content_alone(rows, columns):
    one = design.load("ultra96", {"engine.array.rows": rows, "engine.array.columns": columns})
    same = replace(one, name="other", description="other", assumptions=())
    wider = replace(one, array=replace(one.array, columns=columns + 1))
    assert design.content_hash(one) == design.content_hash(same)
    assert design.content_hash(one) != design.content_hash(wider)


def test_the_hash_is_the_same_in_every_process():
    code = "from cosim import design; print(design.content_hash(design.load('ultra96')))"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert hashes == {design.content_hash(design.load("ultra96"))}


def test_a_design_travels_to_a_worker_process():
    board = design.load("edge-asic-16x16")
    assert pickle.loads(pickle.dumps(board)) == board


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("engine.array.rows=8", ("engine.array.rows", 8)),
        ('power.budget="1 W"', ("power.budget", "1 W")),
        ("power.budget=1 W", ("power.budget", "1 W")),
        ("dram.efficiency = 0.5", ("dram.efficiency", 0.5)),
        ('buffer.input.holds=["input"]', ("buffer.input.holds", ["input"])),
    ],
)
def test_overrides_are_read_from_text(text, parsed):
    assert parse_override(text) == parsed


@pytest.mark.parametrize("text", ["rows", "=8", "rows="])
def test_what_is_no_override_is_refused(text):
    with pytest.raises(CosimError, match=r"expected key=value"):
        parse_override(text)


def test_the_schema_knows_every_key_of_every_board():
    schema = design.json_schema()
    json.dumps(schema)
    for name in design.names():
        for path in paths_of(name):
            assert _in_schema(schema, schema, path), path


def test_the_schema_explains_the_keys_that_are_not_obvious():
    described = design.json_schema()["$defs"]["SystolicSpec"]["properties"]
    assert "stays in the array" in described["dataflow"]["description"]
    assert described["rows"]["anyOf"][0]["maximum"] == 4096


def _in_schema(root, schema, path) -> bool:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if not path:
        return True
    if path[0] in schema.get("properties", {}):
        return _in_schema(root, schema["properties"][path[0]], path[1:])
    if any(_in_schema(root, kind, path) for kind in schema.get("anyOf", ()) if "$ref" in kind):
        return True
    entries = schema.get("additionalProperties")
    return isinstance(entries, dict) and _in_schema(root, entries, path[1:])


def test_another_kind_keeps_of_its_base_what_both_kinds_have(tmp_path: Path) -> None:
    file = tmp_path / "split.toml"
    text = """base = "edge-asic-16x16"
[engine.array]
kind = "bit-serial"
filters = 4
channels = 8
streaming_bits = 2
weight_bits = 2
"""
    file.write_text(text)
    array, base = design.load(file).array, design.load("edge-asic-16x16").array
    assert array.kind == "bit-serial"
    assert (array.clock, array.precisions) == (base.clock, base.precisions)
    file.write_text(text + "rows = 8\n")
    with pytest.raises(CosimError, match=r"split.toml:8: unknown key 'engine.array.rows'"):
        design.load(file)
