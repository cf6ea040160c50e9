"""Speed of the executors with pytest-benchmark; run by hand: ``pytest tests/benchmarks``.

`cosim bench` measures the same against the goals; nothing here passes or fails by time.
"""

from __future__ import annotations

import pytest

from cosim.cli.bench_programs import bert_base, incommensurate_loops, pipeline, random_tiles
from cosim.design import load
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("executor", ["simpy", "python", "compiled"])
def test_reference_pipeline_tile_by_tile(benchmark, executor: str) -> None:
    program = pipeline(8, 25, 50)
    benchmark(lambda: run(program, executor=executor, fast_forward=False))


@pytest.mark.parametrize("side", [100, 1000])
@pytest.mark.parametrize("executor", ["python", "compiled"])
def test_regular_nest_with_fast_forward(benchmark, executor: str, side: int) -> None:
    program = pipeline(side, side, side)
    result = benchmark(lambda: run(program, executor=executor))
    assert result.tasks_simulated < 1000


@pytest.mark.parametrize("fast_forward", [True, False])
@pytest.mark.parametrize("make", [random_tiles, incommensurate_loops])
def test_streams_without_repetition(benchmark, make, fast_forward: bool) -> None:
    program = make(100_000)
    benchmark(lambda: run(program, executor="compiled", fast_forward=fast_forward))


def test_bert_base_mapped_and_run(benchmark) -> None:
    workload, design = bert_base(), load("edge-asic-16x16")
    benchmark(lambda: run(map_workload(workload, design).program, executor="compiled"))
