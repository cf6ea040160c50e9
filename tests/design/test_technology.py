"""Figures derived from tables: equal to the table at its points, lawful between and beyond them."""

from __future__ import annotations

import csv
from functools import cache
from math import isclose
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim import units
from cosim.design import catalogue
from cosim.design.specification import TechnologySpec
from cosim.design.technology import arithmetic, node_scaling, programmable_logic, sram
from cosim.design.technology.memory import logic_memory, silicon_memory, usual_kind
from cosim.errors import CosimError

DEVICES = ("hp", "lop", "lstp")
NODES = node_scaling.nodes()

# energy of logic at 0.9 V relative to 45 nm, recomputed from the coefficients by the reference
RELATIVE_ENERGY = {65: 1.25, 32: 0.64, 20: 0.24, 16: 0.19, 14: 0.15, 10: 0.13, 7: 0.10}


@cache
def table_rows():
    path = catalogue.FOLDER / "technology" / "cacti7_sram.csv"
    with path.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


# SRAM macros


def test_a_macro_of_the_table_is_the_tables():
    rows = table_rows()
    assert len(rows) == 576
    for row in rows:
        node, size, width = (int(row[key]) for key in ("node_nm", "size_bytes", "width_bits"))
        macro = sram.sram_macro(node, row["device"], size, width)
        for name in sram.QUANTITIES:
            assert isclose(getattr(macro, name), float(row[name]), rel_tol=1e-9), row
        assert not macro.extrapolated


@given(st.floats(22, 45), st.sampled_from(DEVICES), st.floats(2048, 2**22), st.integers(32, 512))
def test_a_macro_between_points_lies_within_them(node, device, size, width):
    """Every figure is inside the range of the up to eight points around it."""
    rows = [row for row in table_rows() if row["device"] == device]

    def around(key, at):
        known = sorted({float(row[key]) for row in rows})
        return {max(k for k in known if k <= at), min(k for k in known if k >= at)}

    corner = [
        row
        for row in rows
        if float(row["node_nm"]) in around("node_nm", node)
        and float(row["size_bytes"]) in around("size_bytes", size)
        and float(row["width_bits"]) in around("width_bits", width)
    ]
    macro = sram.sram_macro(node, device, size, width)
    for name in sram.QUANTITIES:
        values = [float(row[name]) for row in corner]
        assert min(values) * (1 - 1e-9) <= getattr(macro, name) <= max(values) * (1 + 1e-9)


@given(
    st.sampled_from(DEVICES), st.floats(45, 67), st.floats(45, 67), st.floats(256, 1024),
    st.floats(256, 1024), st.integers(8, 32),
)  # fmt: skip
def test_beyond_the_table_older_nodes_and_larger_banks_cost_more(device, a, b, small, large, width):
    (a, b), (small, large) = sorted((a, b)), sorted((small, large))
    for node, size in ((b, small), (a, large)):
        less, more = (
            sram.sram_macro(a, device, small, width),
            sram.sram_macro(node, device, size, width),
        )
        for name in ("read_pj", "write_pj", "area_mm2"):
            assert getattr(less, name) <= getattr(more, name) * (1 + 1e-12)


def test_what_is_continued_beyond_the_table_says_so_and_meets_it_at_the_edge():
    edge = sram.sram_macro(45, "lop", 4096, 64)
    beyond = sram.sram_macro(45.0001, "lop", 4096, 64)
    assert beyond.extrapolated
    assert "extrapolated (table of 22 nm to 45 nm)" in beyond.source
    assert beyond.read_pj == pytest.approx(edge.read_pj, rel=1e-4)


@pytest.mark.parametrize(
    ("node", "size", "width", "said"),
    [(130, 4096, 64, "130 nm"), (45, 100, 64, "100 B"), (45, 4096, 4096, "4096 bit")],
)
def test_far_outside_the_table_is_an_error(node, size, width, said):
    with pytest.raises(CosimError, match=f"no SRAM macro .*{said}"):
        sram.sram_macro(node, "lop", size, width)


def test_banks_cost_less_energy_and_more_area_than_one_macro():
    one = silicon_memory("sram", 45, 0.9, "lop", 2**18, 64, 1)
    many = silicon_memory("sram", 45, 0.9, "lop", 2**18, 64, 16)
    assert many.read.value < one.read.value
    assert many.cycle.value < one.cycle.value
    single = sram.sram_macro(45, "lop", 2**14, 64)
    assert many.area.value == pytest.approx(16 * single.area_mm2)
    assert many.leakage.value == pytest.approx(16 * single.leakage_mw)


def test_banks_too_small_for_a_macro_are_registers():
    assert usual_kind(sram.SMALLEST_BANK, 1) == "sram"
    assert usual_kind(sram.SMALLEST_BANK, 2) == "registers"
    file = silicon_memory("registers", 40, 0.9, "lop", 128, 16, 1)
    assert file.read.value == pytest.approx(0.009)
    assert file.area.value == pytest.approx(128 * 8 * 5.98e-6)
    sram.sram_macro(45, "lop", sram.SMALLEST_BANK, 64)


# node scaling


def test_energy_relative_to_45_nm():
    for node, relative in RELATIVE_ENERGY.items():
        factor = node_scaling.energy_factor(node, 0.9, 45, 0.9)
        assert factor.value == pytest.approx(relative, abs=0.006)
        assert not factor.assumed


@given(*(st.sampled_from(NODES) for _ in range(3)), *(st.floats(0.75, 1.4) for _ in range(3)))
def test_two_steps_of_scaling_are_one(x, y, z, vx, vy, vz):
    def factor(to, v_to, origin, v_origin):
        return node_scaling.energy_factor(to, v_to, origin, v_origin).value

    assert factor(y, vy, x, vx) * factor(z, vz, y, vy) == pytest.approx(factor(z, vz, x, vx))
    assert factor(x, min(vx, vy), y, 1.0) <= factor(x, max(vx, vy), y, 1.0)


@given(st.floats(7, 130))
def test_a_node_between_two_lies_between_them_and_is_assumed(node):
    below = max(n for n in NODES if n <= node)
    above = min(n for n in NODES if n >= node)
    values = [node_scaling.energy_factor(n, 0.9, 45, 0.9).value for n in (below, node, above)]
    assert min(values[0], values[2]) <= values[1] * (1 + 1e-12)
    assert values[1] <= max(values[0], values[2]) * (1 + 1e-12)
    assert node_scaling.energy_factor(node, 0.9, 45, 0.9).assumed == (node not in NODES)


def test_a_voltage_below_the_fit_is_an_error():
    with pytest.raises(CosimError, match=r"0\.5 V is out of the range"):
        node_scaling.energy_factor(65, 0.5, 45, 0.9)


# arithmetic


@pytest.mark.parametrize(
    ("element", "constant"),
    [("int8", "int8-mac"), ("ternary", "ternary-mac"), ("float16", "float16-mac"),
     ("float32", "float32-mac"), ("int32", "int32-multiply-add")],
)  # fmt: skip
def test_the_law_gives_the_constants_that_boards_state(element, constant):
    """The sums written down for boards and the law agree."""
    stated = units.parse_energy(catalogue.constant(f"horowitz-45nm.{constant}").value)
    assert arithmetic.silicon_mac(element, 32, 45, 0.9).value == pytest.approx(stated)


@given(st.integers(1, 32), st.integers(1, 32), st.integers(1, 32))
def test_wider_operands_cost_no_less_and_their_order_does_not_matter(a, b, more):
    product = arithmetic.integer_product
    assert product(a, b).value == product(b, a).value
    assert product(a, b).value <= product(a, max(b, more)).value


def test_sixteen_bits_lie_where_the_two_table_points_say():
    """Between 8 and 32 bits the table's points give their exponent."""
    sixteen = arithmetic.integer_product(16, 16).value
    assert sixteen == pytest.approx((0.2 * 3.1) ** 0.5, rel=1e-6)


def test_logic_serves_an_integer_by_the_narrowest_type_that_holds_it():
    mac = arithmetic.logic_mac
    assert mac("zynq-ultrascale", "int3") == mac("zynq-ultrascale", "int4")
    assert mac("zynq-ultrascale", "int5") == mac("zynq-ultrascale", "int8")
    assert mac("zynq-ultrascale", "int4").assumed
    with pytest.raises(CosimError, match="float64"):
        mac("zynq7000", "float64")


def test_the_area_of_a_narrow_multiplier_is_mostly_registers_and_adder():
    wide = arithmetic.silicon_mac_area("int32", 32, 40).value
    narrow = arithmetic.silicon_mac_area("int8", 32, 40).value
    assert wide == pytest.approx(6350 + 278 + 5.98 * 96)
    assert narrow == pytest.approx(6350 / 16 + 278 + 5.98 * 48)
    assert arithmetic.silicon_mac_area("float32", 32, 40) is None


# programmable logic


@given(st.integers(1, 10**6), st.integers(1, 1024))
def test_block_memories_hold_the_words_and_never_fewer_bits(words, bits):
    block = programmable_logic.primitive("zynq-ultrascale", "block-ram")
    count = block.count(words, bits)
    assert count * block.bytes * 8 >= words * bits
    assert count <= block.count(words + 1, bits)
    assert count <= block.count(words, bits + 1)


@pytest.mark.parametrize(
    ("words", "bits", "count"), [(512, 72, 1), (512, 64, 1), (1024, 64, 2), (4096, 8, 1),
                                 (32768, 1, 1), (513, 36, 1), (2048, 36, 2)],
)  # fmt: skip
def test_shapes_of_a_block_ram(words, bits, count):
    assert programmable_logic.primitive("zynq7000", "block-ram").count(words, bits) == count


def test_memories_of_programmable_logic():
    assert logic_memory("ultra-ram", "zynq-ultrascale", 2**18, 64, 4).primitives == 8
    with pytest.raises(CosimError, match="zynq7000 has no ultra-ram"):
        logic_memory("ultra-ram", "zynq7000", 2**18, 64, 4)
    with pytest.raises(CosimError, match="silicon has no block-ram"):
        silicon_memory("block-ram", 45, 0.9, "lop", 2**14, 64, 1)


def test_a_design_may_name_every_library_there_is():
    choices = get_args(TechnologySpec.model_fields["library"].annotation)
    assert sorted(choices) == sorted((*DEVICES, *programmable_logic.families()))
