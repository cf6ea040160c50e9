"""A residual whose short branch cannot hold what the long one needs: said clearly, with a cure."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.design.pipeline import FifoSize
from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.mapping.pipeline.mapping import BuiltPipeline, build_pipeline
from tests.mapping.pipeline.machines import machine, residual, two_residuals

SHORT = "fork > add"


def block(size: int, channels: int, kernels: tuple[int, ...], depth: int | None) -> BuiltPipeline:
    fifos = () if depth is None else (FifoSize(SHORT, depth),)
    design = machine(simd=channels, pe=1, fifos=fifos)
    return build_pipeline("residual", residual(size, channels, kernels), design)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(3, 7), st.sampled_from([1, 2, 4]),
    st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3),
)  # fmt: skip
def test_the_depth_that_would_do_does_and_one_word_less_does_not(
    size: int, channels: int, kernels: list[int]
) -> None:
    chosen = tuple(min(kernel, size) - (min(kernel, size) % 2 == 0) for kernel in kernels)
    automatic = block(size, channels, chosen, None)
    short = next(fifo for fifo in automatic.fifos if fifo.name == SHORT)
    assert short.depth == max(2, short.needed)
    run(block(size, channels, chosen, short.needed).program)
    if short.needed:
        for executor in ("simpy", "python"):
            with pytest.raises(CosimError, match="deadlock"):
                run(block(size, channels, chosen, short.needed - 1).program, executor=executor)


def test_the_error_names_the_cycle_the_fifo_and_the_depth() -> None:
    with pytest.raises(CosimError) as caught:
        run(block(6, 4, (3,), 3).program)
    said = str(caught.value)
    for part in (
        "'fork' waits for 1 of 'room in fork > add' (0 there), fed by 'add'",
        "'add' waits for 1 of 'conv0 > add' (0 there), fed by 'conv0'",
        "'conv0' waits for", "fed by 'conv0 window'",
        "'conv0 window' waits for 1 of 'fork > conv0' (0 there), fed by 'fork'",
    ):  # fmt: skip
        assert part in said
    needed = re.search(r"at least (\d+) words for FIFO 'fork > add' \(it has 3\)", said)
    assert needed is not None
    run(block(6, 4, (3,), int(needed[1])).program)


def test_two_lines_of_pixels_wait_beside_a_kernel_of_three() -> None:
    """With one line of padding, the first result needs two lines; the join holds none of them."""
    short = next(f for f in block(8, 4, (3,), None).fifos if f.name == SHORT)
    # 16 pixels of 4 words, of which the fork's own register holds one
    assert short.needed == (2 * 8 - 1) * 4 // short.word


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 8), st.sampled_from([1, 2]), st.sampled_from([1, 3, 5]), st.integers(1, 2))
def test_blocks_in_a_row_run_and_a_later_one_does_not_deepen_an_earlier_one(
    size: int, channels: int, kernel: int, stride: int
) -> None:
    design = machine(simd=channels, pe=1, fifo_depth=0)
    both = build_pipeline("two", two_residuals(size, channels, kernel, stride), design)
    run(both.program)
    alone = build_pipeline("one", residual(size, channels, (kernel, kernel)), design)
    needed = {fifo.name: fifo.needed for fifo in alone.fifos}
    assert all(fifo.needed == needed.get(fifo.name, fifo.needed) for fifo in both.fifos)
