"""A design that names its technology: what it leaves out is derived, what it states wins."""

from __future__ import annotations

import re

import pytest

from cosim import design
from cosim.design import catalogue
from cosim.design.technology.sram import sram_macro
from cosim.errors import CosimError

DERIVABLE = re.compile(
    r'^energy = .*\n|, energy = \{ from = "[^"]*" \}|^\[technology\]\n(.+\n)*', re.M
)


@pytest.fixture
def load(tmp_path):
    """Loads the generic ASIC without the energies it states, in a technology."""

    def load(technology: str, more: str = "", **overrides):
        board = DERIVABLE.sub("", catalogue.board_file("edge-asic-16x16").read_text())
        file = tmp_path / "mine.toml"
        file.write_text(f"{board}\n{more}\n[technology]\n{technology}\n")
        return design.load(file, overrides)

    return load


LOP = 'library = "lop"\nnode = "45 nm"'


def test_derived_energies_are_those_the_board_states(load):
    """Two ways to one board: stated constants, and derivation from the same sources."""
    stated, derived = design.load("edge-asic-16x16"), load(LOP)
    for one, other in zip(stated.array.precisions, derived.array.precisions, strict=True):
        assert one.energy_pj == pytest.approx(other.energy_pj)


def test_a_buffer_costs_what_its_banks_cost():
    board = design.load("edge-asic-16x16")
    buffer = board.buffer("weight")
    macro = sram_macro(45, "lop", buffer.size_bytes / buffer.banks, buffer.width_bits)
    assert buffer.read_pj_per_byte == pytest.approx(macro.read_pj * 8 / buffer.width_bits)
    assert buffer.write_pj_per_byte == pytest.approx(macro.write_pj * 8 / buffer.width_bits)
    assert buffer.static_mw == pytest.approx(buffer.banks * macro.leakage_mw)


def test_what_is_stated_wins(load):
    plain = load(LOP)
    mine = load(LOP, **{"buffer.input.read_energy": "1 pJ/bit",
                        "engine.array.precision.int8.energy": "7 pJ"})  # fmt: skip
    assert mine.buffer("input").read_pj_per_byte == 8
    assert mine.buffer("input").write_pj_per_byte == plain.buffer("input").write_pj_per_byte
    assert mine.array.precisions[0].energy_pj == 7
    keys = {constant.key for constant in mine.constants if constant.derived}
    assert "buffer.input.read_energy" not in keys
    assert "buffer.input.write_energy" in keys


def test_every_derived_figure_tells_its_source(load):
    derived = [constant for constant in load(LOP).constants if constant.derived]
    assert len(derived) == 7 + 5 * 5
    assert all(constant.source for constant in derived)


def test_figures_that_rest_on_an_assumption_are_listed(load):
    sound, beyond = load(LOP), load('library = "lop"\nnode = "65 nm"')
    assert not any("read_energy" in line for line in sound.assumptions)
    assert any("extrapolated (table of 22 nm to 45 nm)" in line for line in beyond.assumptions)


def test_smaller_nodes_take_less_energy(load):
    designs = [load(f'library = "lop"\nnode = "{node} nm"') for node in (65, 45, 32, 22, 16)]
    macs = [d.array.precisions[0].energy_pj for d in designs]
    reads = [d.buffer("resident").read_pj_per_byte for d in designs]
    assert macs == sorted(macs, reverse=True)
    assert reads == sorted(reads, reverse=True)


def test_a_swept_node_changes_what_is_derived_and_nothing_else(load):
    one, other = load(LOP), load(LOP, **{"technology.node": "32 nm"})
    assert one.array.precisions[0].energy_pj > other.array.precisions[0].energy_pj
    assert one.array.rows == other.array.rows
    assert design.content_hash(one) != design.content_hash(other)


def test_programmable_logic_counts_its_block_memories(load):
    mine = load('library = "zynq-ultrascale"')
    assert mine.technology.node_nm == 16
    assert mine.buffer("input").block_memories == 32
    assert all(buffer.static_mw == 0 for buffer in mine.buffers)


@pytest.mark.parametrize(
    ("board", "library", "count"),
    [("ultra96", "zynq-ultrascale", 168), ("pynq-z1", "zynq7000", 112)],
)
def test_block_memories_of_the_boards_are_those_their_descriptions_count(board, library, count):
    mine = design.load(board, {"technology.library": library})
    assert sum(buffer.block_memories for buffer in mine.buffers) == count


def test_without_a_technology_nothing_is_derived():
    assert not any(constant.derived for constant in design.load("ultra96").constants)


@pytest.mark.parametrize(
    ("technology", "said"),
    [
        ('library = "lop"', "missing key 'technology.node'"),
        ('library = "zynq7000"\nnode = "16 nm"', "expected 28 nm"),
        ('library = "lop"\nnode = "7 nm"', "buffer.input: no SRAM macro of 7 nm"),
        ('library = "lop"\nnode = "65 nm"\nvoltage = "0.5 V"', "0.5 V is out of the range"),
        ('library = "lpo"\nnode = "45 nm"', "did you mean 'lop'"),
    ],
)
def test_a_technology_that_gives_no_figures_is_an_error(load, technology, said):
    with pytest.raises(CosimError, match=said):
        load(technology)


def test_an_energy_that_is_neither_stated_nor_derivable_is_an_error(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('base = "ultra96"\n[engine.array.precision.int4]\ncycles_per_step = 1\n')
    with pytest.raises(CosimError, match=r"toml:2: engine.array.precision.int4.energy.*neither"):
        design.load(file)


def test_a_bank_slower_than_the_clock_is_assumed_to_be_pipelined(load):
    quick = load(LOP)
    slow = load(LOP, **{"clocks.core": "5 GHz"})
    assert not any("cycle_time" in line for line in quick.assumptions)
    assert any("pipelined" in line for line in slow.assumptions)
    assert slow.buffer("input").cycle_ps == 0
    stated = load(LOP, **{"buffer.input.cycle_time": "3 ns"})
    assert stated.buffer("input").cycle_ps == 3000
