"""Speed of the executors with pytest-benchmark; run by hand: ``pytest tests/benchmarks``.

`cosim bench` measures the same against the goals; nothing here passes or fails by time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.cli.bench_measures import BOARD, captured, serve_bursts, to_summary
from cosim.cli.bench_programs import bert_base, incommensurate_loops, pipeline, random_tiles
from cosim.design import load
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload
from cosim.workload.files import load_workload

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
    workload, design = bert_base(), load(BOARD)
    result = benchmark(lambda: run(map_workload(workload, design).program, executor="compiled"))
    assert result.tasks_simulated < 0.05 * (result.tasks_simulated + result.tasks_skipped)


@pytest.mark.parametrize("compiled", [True, False])
def test_bursts_of_a_dram_channel(benchmark, compiled: bool) -> None:
    assert benchmark(lambda: serve_bursts(compiled)) > 100_000


NETWORKS = {
    "resnet18": ("--option", "bits_w=8", "--option", "bits_a=8"),
    "mlp": ("--mode", "training", "--batch", "8"),
    "tt-mlp": ("--option", "rank=8", "--mode", "training", "--batch", "8"),
}


@pytest.mark.parametrize("again", [True, False], ids=["the same point", "a new point"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_workload_to_its_summary(benchmark, tmp_path: Path, network: str, again: bool) -> None:
    file = captured(tmp_path, network, *NETWORKS[network])
    if file is None:
        pytest.skip("needs torch to capture")
    workload, sizes = load_workload(file), iter(range(60_000, 20_000, -64))

    def point() -> tuple[tuple[object, ...], dict[str, object]]:
        size = 64_000 if again else next(sizes)
        return (workload, load(BOARD, {"buffer.input.size": f"{size} B"})), {}

    benchmark.pedantic(to_summary, setup=point, rounds=20, warmup_rounds=2)
