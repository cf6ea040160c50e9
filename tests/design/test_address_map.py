"""Address maps cover a part exactly, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.errors import CosimError

DDR4 = catalogue.dram_part("ddr4-2400-x64")
DDR3 = catalogue.dram_part("ddr3-1050-x16")

# map, what the error says; ddr4-2400-x64 has 16 row, 2 bank, 2 group and 7 column bits
REFUSED = [
    ("row bank column", "leaves out 2 bits of group"),
    ("row bank group column:3", "leaves out 4 bits of column"),
    ("row bank group column:8", "has 8 bits of column"),
    ("row bank group column row", "takes 'the rest' of row 2 times"),
    ("row banks group column", "'banks' in address map"),
    ("row bank group column:x", "'column:x' in address map"),
    ("", "leaves out 16 bits of row"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_a_map_that_does_not_cover_the_part_is_refused(text, said):
    with pytest.raises(CosimError) as caught:
        address_map(text, DDR4, "mine.toml:3: dram.map")
    assert said in str(caught.value)
    assert str(caught.value).startswith("mine.toml:3")
    assert "\n" not in str(caught.value)


@given(
    st.permutations(["row", "bank", "group", "column"]),
    st.lists(st.integers(0, (1 << 27) - 1), min_size=2, max_size=20, unique=True),
)
def test_two_bursts_never_share_a_place(order, numbers):
    mapping = address_map(" ".join(order), DDR4)
    assert mapping.bits == 27
    assert len({mapping.decode(number) for number in numbers}) == len(numbers)


def test_fields_take_the_bits_that_are_written():
    mapping = address_map("row bank column group column:1", DDR4)
    # the lowest bit is a column's, the next two the group's
    assert mapping.decode(0b001) == (0, 0, 1)
    assert mapping.decode(0b010) == (1, 0, 0)
    assert mapping.decode(0b1000) == (0, 0, 2)
    assert mapping.decode(1 << 9) == (4, 0, 0)
    assert mapping.decode(1 << 11) == (0, 1, 0)


def test_a_part_without_bank_groups_needs_no_group():
    assert address_map("row bank column", DDR3).decode(1 << 7) == (1, 0, 0)


def test_every_part_has_a_map_of_all_its_bytes():
    for part in catalogue.dram_parts().values():
        mapping = address_map(part.map, part)
        assert part.burst_bytes << mapping.bits == part.rows * part.banks * part.page_bytes
