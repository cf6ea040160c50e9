"""A data sheet that cannot be is refused in one line."""

from __future__ import annotations

import tomllib

import pytest

from cosim.design import catalogue
from cosim.design.dram_part import changed_part, part_from
from cosim.errors import CosimError

DDR4 = catalogue.dram_part("ddr4-2400-x64")
IMPOSSIBLE = [
    ({"tRAS": 12}, "tRAS = 12 and tRCD = 17; expected tRAS >= tRCD"),
    ({"tRC": 50}, "tRC = 50, tRAS = 39 and tRP = 17; expected tRC of tRAS + tRP"),
    ({"tCCD_L": 3}, "expected tCCD_L >= tCCD_S"),
    ({"tRRD_L": 3}, "expected tRRD_L >= tRRD_S"),
    ({"tFAW": 2}, "expected tFAW >= tRRD_S"),
    ({"tREFI": 400}, "tREFI = 400 and tRFC = 420"),
    ({"tCL": 0}, "tCL is 0; expected more than zero"),
    ({"tRCD": -1}, "tRCD is -1"),
    ({"tRCD": 17.5}, "tRCD is 17.5; expected a whole number"),
    ({"banks": 12}, "banks is 12; expected a power of two"),
    ({"banks": 2}, "expected banks >= bank_groups"),
    ({"IDD4R": 40}, "expected IDD4R > IDD3N"),
    ({"IDD0": 35}, "an activate takes energy"),
    ({"REFI": 9360}, "unknown figure of a DRAM part 'REFI'; did you mean 'tREFI'?"),
]


@pytest.mark.parametrize(("figures", "said"), IMPOSSIBLE)
def test_an_impossible_data_sheet_is_refused(figures, said):
    with pytest.raises(CosimError) as caught:
        changed_part(DDR4, figures, "mine.toml:9")
    lines = str(caught.value).splitlines()
    assert any(said in line for line in lines), lines
    assert all(line.startswith("mine.toml:9: ") for line in lines)


def test_a_figure_may_be_another():
    slower = changed_part(DDR4, {"tRCD": 20, "IDD4R": 140.5})
    assert (slower.tRCD, slower.IDD4R, slower.tRP) == (20, 140.5, DDR4.tRP)


@pytest.mark.parametrize(
    ("line", "other", "said"),
    [
        ("tREFI = 9360", "REFI = 9360", "unknown key 'REFI'; did you mean 'tREFI'?"),
        ("tRFC = 420", "", "tRFC is missing"),
        ("tRFC = 420", 'tRFC = "420"', "tRFC is '420'; expected a whole number"),
        ("VDD = 1.2", "VDD = true", "VDD is True; expected a number"),
    ],
)
def test_a_data_file_says_every_figure_by_its_name(line, other, said):
    text = (catalogue.FOLDER / "dram.toml").read_text()
    values = tomllib.loads(text.replace(line, other, 1))["ddr4-2400-x64"]
    with pytest.raises(CosimError, match=r"dram\.toml") as caught:
        part_from("ddr4-2400-x64", values, "dram.toml")
    assert said in str(caught.value)
