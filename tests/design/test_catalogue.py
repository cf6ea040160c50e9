"""The catalogue: every constant has a unit and a source, and DRAM parts give the known figures."""

from __future__ import annotations

import tomllib

import pytest

from cosim import design, units
from cosim.design import catalogue
from cosim.errors import CosimError

BOARDS = ("edge-asic-16x16", "pynq-z1", "ultra96")

# dram.md 2.2 (currents of the data sheets through the IDD equations, checked with DRAMPower 5.1):
# nJ of activate and precharge, read burst, write burst, refresh; active standby mW
COMMAND_ENERGIES = {
    "ddr4-2400-x64": (3.45, 2.93, 2.55, 693, 413),
    "ddr3l-1600-x16": (1.53, 1.27, 0.84, 66, 63.4),
    "ddr3-1050-x16": (1.59, 1.27, 0.84, 66, 63.4),
    "lpddr4-3200-x16": (0.60, 1.08, 0.64, 11.2, 18.9),
    "lpddr4-3200-x32": (1.20, 2.17, 1.29, 22.4, 37.9),
}
# DRAMsim3: sequential read GB/s, idle read latency after a row conflict in ns
SIMULATED = {
    "ddr4-2400-x64": (18.35, 48),
    "ddr3l-1600-x16": (3.08, 50),
    "ddr3-1050-x16": (2.02, 54),
    "lpddr4-3200-x16": (5.86, 65),
    "lpddr4-3200-x32": (11.72, 65),
    "lpddr4-2133-x32": (7.79, 71),
}


def test_the_boards_of_the_first_story_are_there():
    assert set(BOARDS) <= set(design.names())


@pytest.mark.parametrize("name", design.names())
def test_a_board_is_named_like_its_file_and_says_what_it_is(name):
    board = design.load(name)
    assert board.name == name
    assert board.description


@pytest.mark.parametrize("name", design.names())
def test_every_power_energy_and_latency_of_a_board_has_a_source(name):
    """Sizes and widths are choices of a design; what physics or a data sheet gives needs one."""
    sourced = ("energy", "power", "latency", "overhead", "operations", "static", "outstanding")

    def check(table, path):
        for key, value in table.items():
            if isinstance(value, dict) and not {"from", "value"} & set(value):
                check(value, f"{path}.{key}")
            elif any(word in key for word in sourced):
                assert isinstance(value, dict), f"{path}.{key} has no source"
                assert "from" in value or value.get("source"), f"{path}.{key} has no source"

    check(tomllib.loads(catalogue.board_file(name).read_text()), name)


@pytest.mark.parametrize("name", BOARDS)
def test_what_a_board_assumes_is_listed(name):
    board = design.load(name)
    assert any(line.startswith("engine.array.idle_power") for line in board.assumptions)
    assert all(" = " in line for line in board.assumptions)


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_can_run_within_one_watt(name):
    board = design.load(name, {"power.budget": "1 W"})
    assert board.static_mw < board.power.budget_mw == 1000


def test_every_constant_has_a_unit_and_a_source():
    for constant in catalogue.constants().values():
        unit = constant.value.split()[1]
        known = sum(unit in quantity.units for quantity in units.QUANTITIES)
        assert known == 1 or unit == "%", constant
        assert constant.source


@pytest.mark.parametrize(("name", "energies"), COMMAND_ENERGIES.items())
def test_command_energies_follow_the_data_sheet_currents(name, energies):
    part = catalogue.dram_part(name)
    picojoules = (part.activate_pj, part.read_burst_pj, part.write_burst_pj, part.refresh_pj)
    assert picojoules == pytest.approx([1000 * energy for energy in energies[:4]], rel=0.01)
    standby = part.background_mw - part.refresh_pj / (part.tREFI * part.tCK)
    assert standby == pytest.approx(energies[4], rel=0.01)


@pytest.mark.parametrize(("name", "simulated"), SIMULATED.items())
def test_closed_forms_agree_with_a_dram_simulator(name, simulated):
    part = catalogue.dram_part(name)
    sequential = part.bandwidth_bytes_per_s * part.efficiency
    assert sequential == pytest.approx(simulated[0] * 1e9, rel=0.01)
    assert part.latency_ps == pytest.approx(simulated[1] * 1000, rel=0.05)


def test_every_dram_part_is_consistent():
    for part in catalogue.dram_parts().values():
        assert part.tRC == pytest.approx(part.tRAS + part.tRP, abs=1)
        assert part.IDD2P <= part.IDD2N <= part.IDD3N < part.IDD4W < part.IDD4R
        assert part.tCCD_S <= part.tCCD_L
        assert 0.9 < part.efficiency < 1
        assert part.source


def test_an_unknown_part_suggests_the_nearest():
    with pytest.raises(CosimError, match="did you mean 'ddr3-1050-x16'"):
        catalogue.dram_part("ddr3-1066-x16")


def test_parts_list_drams_and_constants():
    kinds = {part.kind for part in catalogue.parts()}
    assert kinds == {"dram", "cooling", "constant"}
    assert any(part.assumed for part in catalogue.parts())
