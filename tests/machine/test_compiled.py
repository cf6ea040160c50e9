"""What compiled texts rely on: addresses count from the start, memories belong to the caller."""

from __future__ import annotations

import sys
from contextlib import suppress
from inspect import getmembers, isfunction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from cosim.cli.bench_programs import random_tiles
from cosim.errors import CosimError
from cosim.machine import kernel as k
from cosim.machine.compiled import compiled_functions, compiled_kernel
from cosim.machine.dram import scheduler
from cosim.machine.execute import run
from cosim.machine.fast_executor import FastExecutor
from cosim.machine.flatten import BUFFER_ROWS, flatten
from cosim.mapping.program import Program
from tests.machine.governed_programs import governed
from tests.machine.random_programs import programs
from tests.machine.reference_pipeline import pipeline
from tests.machine.served_programs import served_programs


class Strict(list[int]):
    """A memory in which counting from the end is an error."""

    def __getitem__(self, place: Any) -> Any:
        assert isinstance(place, slice) or place >= 0
        return super().__getitem__(place)

    def __setitem__(self, place: Any, value: Any) -> None:
        assert isinstance(place, slice) or place >= 0
        super().__setitem__(place, value)


def run_strictly(program: Program) -> None:
    machine = FastExecutor(program, compiled=False)
    machine.memory = Strict(machine.memory)
    if machine._governed:
        machine._governed.memory = machine.memory
    if machine.channel:
        machine.channel.server.memory = Strict(machine.channel.server.memory)
    with suppress(CosimError):  # a battery may be too small
        machine.run()


@given(programs(max_tasks=100, max_iterations=20))
@settings(max_examples=60)
def test_no_address_counts_from_the_end(program: Program) -> None:
    run_strictly(program)


@given(governed())
@settings(max_examples=40)
def test_no_address_counts_from_the_end_under_a_governor(program: Program) -> None:
    run_strictly(program)


@given(served_programs())
@settings(max_examples=40)
def test_no_address_counts_from_the_end_in_a_dram_channel(program: Program) -> None:
    run_strictly(program)


def test_a_strict_memory_refuses_what_counts_from_the_end() -> None:
    with pytest.raises(AssertionError):
        Strict([1, 2])[-1]


def test_compiled_functions_keep_no_hold_of_the_memory() -> None:
    functions = compiled_kernel()
    assert functions is not None
    memory = np.array(flatten(pipeline()).memory + [0] * (BUFFER_ROWS * k.ROW_FIELDS), np.int64)
    before = sys.getrefcount(memory)
    for _ in range(3):
        functions["advance"](memory)
    assert sys.getrefcount(memory) == before


@pytest.mark.parametrize("text", [k, scheduler])
def test_every_function_of_a_text_is_compiled(text: Any) -> None:
    functions = compiled_functions(text)
    assert functions is not None
    assert set(functions) == {name for name, _ in getmembers(text, isfunction)}


def test_a_short_run_is_little_more_than_its_kernel() -> None:
    """Laid out and checked, it takes some dozens of calls however many tasks there are."""
    calls = []
    for tiles in (100, 3000):
        program = random_tiles(tiles)
        run(program, executor="compiled")
        calls.append(0)

        def count(frame: object, event: str, argument: object) -> None:
            calls[-1] += event == "call"

        sys.setprofile(count)
        try:
            run(program, executor="compiled")
        finally:
            sys.setprofile(None)
    assert calls[0] < 80
    assert calls[1] <= calls[0] + 40  # rows are taken out of the machine some thousand at a time
