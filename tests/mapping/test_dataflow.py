"""Cycles of matrix products on systolic arrays against SCALE-Sim."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design.design import Dataflow
from cosim.mapping.dataflow import folds, gemm_cycles, tile_cycles
from cosim.mapping.mapping import map_workload
from cosim.mapping.program import template_counts

from .examples import Builder, design, ideal

DATAFLOWS = {
    "ws": Dataflow.WEIGHT_STATIONARY,
    "os": Dataflow.OUTPUT_STATIONARY,
    "is": Dataflow.INPUT_STATIONARY,
}
ROWS = list(csv.DictReader((Path(__file__).parent / "scalesim_gemms.csv").open()))
"""Runs of SCALE-Sim v2 and v3; compute cycles are its total minus its stalls."""


def array_cycles(program) -> int:
    """Cycles the array computes over a whole program."""
    array = next(c for c in program.components if c.kind == "engine")
    return sum(
        (program.templates[t].info.busy_cycles + program.templates[t].info.fill_cycles) * n
        for t, n in template_counts(array.stream).items()
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['net']}-{r['layer']}-{r['dataflow']}")
def test_cycles_of_a_gemm_equal_scalesim(row):
    m, n, k, rows, columns = (int(row[c]) for c in ("M", "N", "K", "rows", "columns"))
    dataflow = DATAFLOWS[row["dataflow"]]
    assert gemm_cycles(dataflow, rows, columns, m, n, k) == int(row["compute_cycles"])


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['net']}-{r['layer']}-{r['dataflow']}")
def test_a_mapped_gemm_with_ideal_memory_takes_scalesims_cycles(row):
    m, n, k, rows, columns = (int(row[c]) for c in ("M", "N", "K", "rows", "columns"))
    machine = ideal(design(rows=rows, columns=columns, dataflow=DATAFLOWS[row["dataflow"]]))
    build = Builder()
    build.gemm(build.input(m, k), n)
    program = map_workload(build.build(), machine).program
    assert array_cycles(program) == int(row["compute_cycles"])


sizes = st.integers(1, 70)


@given(st.sampled_from(list(Dataflow)), sizes, sizes, sizes, sizes, sizes)
def test_overlapping_folds_never_take_longer_and_do_the_same_work(dataflow, r, c, m, n, k):
    plain = tile_cycles(dataflow, r, c, m, n, k)
    overlapped = tile_cycles(dataflow, r, c, m, n, k, fold_overlap=True)
    assert overlapped.total <= plain.total
    assert overlapped.busy == plain.busy


@given(st.sampled_from(list(Dataflow)), sizes, sizes, sizes, sizes, sizes)
def test_no_array_does_more_than_a_mac_per_element_and_cycle(dataflow, r, c, m, n, k):
    assert tile_cycles(dataflow, r, c, m, n, k).busy * r * c >= m * n * k
    assert folds(dataflow, r, c, m, n, k) >= 1
