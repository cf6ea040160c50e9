"""Cycles of matrix products on systolic arrays against SCALE-Sim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design.arrays import Dataflow, SystolicArray
from cosim.explore.validate import load_case
from cosim.mapping.engines import timing_of
from cosim.mapping.engines.systolic import gemm_cycles, matrix_product
from cosim.mapping.engines.timing import Layer
from cosim.mapping.mapping import map_workload
from cosim.mapping.task_stream import template_counts

from .examples import Builder, design, ideal

ROWS = load_case("systolic-gemms").specification.rows
"""Runs of SCALE-Sim; compute cycles are its total minus its stalls."""


def array_cycles(program) -> int:
    """Cycles the array computes over a whole program."""
    array = next(c for c in program.components if c.kind == "engine")
    return sum(
        (program.templates[t].info.busy_cycles + program.templates[t].info.fill_cycles) * n
        for t, n in template_counts(array.stream).items()
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.quantity)
def test_cycles_of_a_gemm_equal_scalesim(row):
    array = systolic(row.dataflow, row.rows, row.columns)
    assert gemm_cycles(array, row.m, row.n, row.k) == row.reference


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.quantity)
def test_a_mapped_gemm_with_ideal_memory_takes_scalesims_cycles(row):
    machine = ideal(design(rows=row.rows, columns=row.columns, dataflow=row.dataflow))
    build = Builder()
    build.gemm(build.input(row.m, row.k), row.n)
    program = map_workload(build.build(), machine).program
    assert array_cycles(program) == row.reference


sizes = st.integers(1, 70)


def systolic(dataflow: Dataflow, rows: int, columns: int, overlap: bool = False) -> SystolicArray:
    return SystolicArray("array", dataflow, rows, columns, "core", (), overlap)


def tile_cycles(array: SystolicArray, m: int, n: int, k: int):
    tile = matrix_product(m, n, k)
    return timing_of(array, Layer(tile)).cycles(tile)


@given(st.sampled_from(list(Dataflow)), sizes, sizes, sizes, sizes, sizes)
def test_overlapping_folds_never_take_longer_and_do_the_same_work(dataflow, r, c, m, n, k):
    plain = tile_cycles(systolic(dataflow, r, c), m, n, k)
    overlapped = tile_cycles(systolic(dataflow, r, c, overlap=True), m, n, k)
    assert overlapped.total <= plain.total
    assert overlapped.busy == plain.busy
