"""Bad design files: each mistake is one line with file and line, the key, and what would be right.

Every case edits one line of a valid design.
"""

from __future__ import annotations

import pytest

from cosim import design
from cosim.errors import CosimError

VALID = """\
name = "mine"
[clocks]
core = "100 MHz"
[engine.array]
dataflow = "weight-stationary"
rows = 4
columns = 4
clock = "core"
precision.int8 = { energy = "0.3 pJ" }
[engine.vector]
lanes = 4
clock = "core"
precision.int32 = { energy = "0.1 pJ" }
[buffer.input]
holds = ["input"]
size = "4 KiB"
[buffer.weight]
holds = ["weight"]
size = "4 KiB"
[buffer.results]
holds = ["accumulator", "output"]
size = "4 KiB"
static_power = "3 mW"
[dma.all]
carries = ["input", "weight", "output"]
port_bytes_per_cycle = 8
clock = "core"
[dram]
part = "ddr3-1050-x16"
capacity = "64 MiB"
[host]
command_overhead = "1 us"
operations = "100 Mop/s"
[power]
static = "10 mW"
budget = "1 W"
"""

CASES = [
    # replaced line, by what, what the error must say
    ("rows = 4", "rws = 4", ["unknown key 'engine.array.rws'", "did you mean 'rows'?"]),
    ("rows = 4", "rows = 0", ["engine.array.rows is 0", "a whole number from 1 to 4096"]),
    ("rows = 4", "rows = -4", ["engine.array.rows is -4", "from 1 to 4096"]),
    ("rows = 4", "rows = nan", ["engine.array.rows is nan", "a whole number"]),
    ("rows = 4", "rows = 4.5", ["engine.array.rows is 4.5", "a whole number"]),
    ("rows = 4", 'rows = "4"', ['engine.array.rows is "4"', "a whole number"]),
    ("rows = 4", "rows = true", ["engine.array.rows is true", "a whole number"]),
    ('core = "100 MHz"', 'core = "100 ns"', ["clocks.core", "is a time, not a frequency", "MHz"]),
    ('core = "100 MHz"', "core = 100", ["clocks.core: 100 has no unit", "Hz, kHz, MHz, GHz"]),
    ('core = "100 MHz"', 'core = "100 Mhz"', ["unknown unit 'Mhz'", "did you mean 'MHz'?"]),
    ('core = "100 MHz"', 'core = "1000 GHz"', ["out of range", "from 1 kHz to 10 GHz"]),
    ('core = "100 MHz"', '"a b" = "1 GHz"', ["'a b' is no name", "a letter, then"]),
    (
        'dataflow = "weight-stationary"',
        'dataflow = "weight-stationnary"',
        ["dataflow is", "one of weight-stationary,", "did you mean 'weight-stationary'?"],
    ),
    (
        'precision.int8 = { energy = "0.3 pJ" }',
        'precision.int80 = { energy = "0.3 pJ" }',
        ["unknown element type 'int80'", "int1 to int32, ternary"],
    ),
    (
        'precision.int8 = { energy = "0.3 pJ" }',
        'precision.int8 = { energy = "nan pJ" }',
        ["precision.int8.energy", "not a finite number", "such as"],
    ),
    (
        'precision.int8 = { energy = "0.3 pJ" }',
        'precision.int8 = { energy = { from = "horowitz-45nm.int8-mc" } }',
        ["unknown constant", "did you mean 'horowitz-45nm.int8-mac'?"],
    ),
    (
        'precision.int8 = { energy = "0.3 pJ" }',
        'precision.int8 = { energy = { value = "1 pJ", sauce = "x" } }',
        ["unknown key 'sauce' beside a value", "did you mean 'source'?"],
    ),
    ('holds = ["input"]', 'holds = ["inptu"]', ["holds[0]", "did you mean 'input'?"]),
    ('holds = ["input"]', "holds = []", ["buffer.input.holds is empty"]),
    ('holds = ["input"]', 'holds = ["input", "input"]', ["named twice"]),
    ('holds = ["input"]', 'holds = "input"', ['holds is "input"', "a list, each one of input"]),
    (
        'holds = ["accumulator", "output"]',
        'holds = ["accumulator"]',
        ['no buffer holds "output"', "exactly one buffer"],
    ),
    ("port_bytes_per_cycle = 8", "port_bytes_per_cycle = -8", ["is -8", "from 1 to 4096"]),
    (
        'carries = ["input", "weight", "output"]',
        'carries = ["input", "weight"]',
        ['no dma carries "output"', "exactly one dma"],
    ),
    (
        'part = "ddr3-1050-x16"',
        'part = "ddr3-1050"',
        ["dram.part: unknown DRAM part 'ddr3-1050'", "did you mean 'ddr3-1050-x16'?"],
    ),
    ('capacity = "64 MiB"', 'capacity = "-64 MiB"', ["dram.capacity", "is negative"]),
    ('capacity = "64 MiB"', 'capacity = "64 MB/s"', ["is a bandwidth, not a size"]),
    ('capacity = "64 MiB"', 'capacity = "nan MiB"', ["not a finite number"]),
    ('capacity = "64 MiB"', 'capacity = "0 B"', ["out of range", "from 1 B"]),
    ('capacity = "64 MiB"', "", ["missing key 'dram.capacity'", "a size from"]),
    (
        'budget = "1 W"',
        'budget = "13 mW"',
        ["13 mW does not exceed the static power", "more than 84.94 mW"],
    ),
    ('budget = "1 W"', 'budget = "0 W"', ["power.budget", "out of range", '"unlimited"']),
    ('budget = "1 W"', 'budget = "1 J"', ["is an energy, not a power"]),
    ('budget = "1 W"', "efficiency = 1", ["unknown key 'power.efficiency'"]),
    ('name = "mine"', "name = 3", ["name is 3", "a text"]),
    ('name = "mine"', 'name = ""', ["name is empty"]),
    ('name = "mine"', 'name = "mine"\nbuffre = 1', ["unknown key 'buffre'", "mean 'buffer'?"]),
]


def message_of(tmp_path, text: str) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(CosimError) as error:
        design.load(file)
    return str(error.value).replace(str(tmp_path) + "/", "")


def test_the_design_that_the_cases_edit_is_valid(tmp_path):
    (tmp_path / "mine.toml").write_text(VALID)
    assert design.load(tmp_path / "mine.toml").buffer("output").size_bytes == 4096


@pytest.mark.parametrize(("line", "replacement", "said"), CASES)
def test_a_mistake_is_one_line_that_names_its_place_and_the_cure(tmp_path, line, replacement, said):
    assert VALID.count(line + "\n") == 1
    message = message_of(tmp_path, VALID.replace(line, replacement))
    assert len(message.splitlines()) == 1
    for words in said:
        assert words in message
    at = VALID.splitlines().index(line) + 1
    # a missing key is placed at its table, a missing operand at the first of the tables
    allowed = range(1, at + 2) if "missing" in message or "exactly one" in message else (at, at + 1)
    assert int(message.split(":")[1]) in allowed
    assert message.startswith("mine.toml:")


def test_a_clock_that_is_not_there_is_named_where_it_is_used(tmp_path):
    message = message_of(tmp_path, VALID.replace('clock = "core"\n[dram]', 'clock = "cor"\n[dram]'))
    assert message == (
        "mine.toml:27: dma.all.clock: unknown clock 'cor'; expected one of core; "
        "did you mean 'core'?"
    )


def test_all_mistakes_are_told_at_once(tmp_path):
    text = VALID.replace("rows = 4", "rows = 0").replace("lanes = 4", "lans = 4")
    lines = message_of(tmp_path, text.replace('"64 MiB"', '"64 MHz"')).splitlines()
    assert [line.split(":")[1] for line in lines] == ["6", "11", "30"]
    assert "did you mean 'lanes'?" in lines[1]


def test_a_value_where_a_table_belongs(tmp_path):
    message = message_of(tmp_path, 'base = "ultra96"\npower = 3\n')
    assert message == "mine.toml:2: power is 3; expected a table"


def test_an_unknown_base_is_placed(tmp_path):
    message = message_of(tmp_path, 'name = "x"\nbase = "ultra69"\n')
    assert message.startswith("mine.toml:2: unknown board 'ultra69'")
    assert "did you mean 'ultra96'?" in message


def test_a_missing_base_file_is_named(tmp_path):
    assert "nowhere.toml: no such file" in message_of(tmp_path, 'base = "nowhere.toml"\n')


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("engine.array.rwos", 8, "did you mean 'engine.array.rows'?"),
        ("rows", 8, "did you mean 'engine.array.rows'?"),
        ("buffer.inptu.size", "1 KiB", "did you mean 'buffer.input.size'?"),
        ("engine.array.rows.x", 8, "unknown key 'engine.array.rows.x'"),
        ("engine.array", 8, "engine.array is a table"),
        ("base", "pynq-z1", "unknown key 'base'"),
        ("", 8, "unknown key ''"),
        ("engine.array.rows", "eight", 'engine.array.rows is "eight"'),
        ("power.budget", "100 mW", "does not exceed the static power"),
    ],
)
def test_a_bad_override_is_one_line(path, value, said):
    with pytest.raises(CosimError) as error:
        design.load("ultra96", {path: value})
    message = str(error.value)
    assert message.startswith("override")
    assert said in message
    assert len(message.splitlines()) == 1


def test_an_unknown_board_suggests_the_nearest():
    with pytest.raises(CosimError, match=r"expected one of .*did you mean 'pynq-z1'"):
        design.load("pynq-z2")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "spatiall"}, ['engine.array.kind is "spatiall"', "did you mean 'spatial'?"]),
        ({"kind": "spatial"}, ["missing key 'engine.array.filters'"]),
        (
            {"kind": "spatial", "filters": 0, "channels": 4},
            ["engine.array.filters is 0", "from 1 to 4096", "unknown key 'engine.array.rows'"],
        ),
    ],
)
def test_a_kind_of_array_is_checked_by_its_own_keys(changes, words):
    with pytest.raises(CosimError) as error:
        design.load("pynq-z1", {f"engine.array.{key}": value for key, value in changes.items()})
    for word in words:
        assert word in str(error.value)
