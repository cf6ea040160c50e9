"""Networks of the project on the catalogue's pipeline board, from TOML to the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.design import load
from cosim.errors import CosimError
from cosim.explore.validate import load_cases, run_cases
from cosim.mapping.pipeline.graph import stage_graph
from cosim.simulate import Simulation, simulate
from cosim.workload.networks import load_or_capture
from scenarios import DESIGNS

BOARD = "ultra96-pipeline"
CNV = {"num_classes": 64}


def run_network(
    network: str, options: dict[str, object], design: str, batch: int = 1, **changes: object
) -> Simulation:
    workload = load_or_capture(network, options, mode="inference", batch=batch, optimizer="sgd")
    return simulate(workload, load(design, {k.replace("__", "."): v for k, v in changes.items()}))


def test_cnv_is_built_as_published() -> None:
    """Cycles a layer from the published SIMD and PE (BNN-PYNQ, config.h), by FINN's equation."""
    run = run_network("cnv", CNV, str(DESIGNS / "finn-cnv-ultra96.toml"))
    busy = {e.stage.name: e.busy_cycles for e in run.mapping.engines}  # type: ignore[union-attr]
    published = {
        "conv0": 32_400, "conv1": 28_224, "conv2": 20_736, "conv3": 28_800, "conv4": 20_736,
        "conv5": 18_432, "fc6": 32_768, "fc7": 32_768, "fc8": 8_192,
    }  # fmt: skip
    assert {name: busy[name] for name in published} == published
    assert run.result.makespan_ps / 1e6 == pytest.approx(527, rel=0.15)


def test_a_stream_that_holds_half_a_vector_costs_cycles_as_lfcs_source_says() -> None:
    """512 cycles an image, were the streams as deep as it takes "for a smooth operation"."""
    design = str(DESIGNS / "finn-lfc-ultra96.toml")
    options: dict[str, object] = {"inputs": 832, "num_classes": 64}
    few, more = (run_network("lfc", options, design, batch) for batch in (20, 40))
    deep = {'pipeline.fifo.fc0 > fc1.depth': 64, "pipeline.fifo.fc1 > fc2.depth": 64,
            "pipeline.fifo.fc2 > fc3.depth": 64}  # fmt: skip
    period = load(design).clock("fabric").period_ps
    assert more.result.makespan_ps - few.result.makespan_ps > 20 * 650 * period
    few, more = (run_network("lfc", options, design, batch, **deep) for batch in (20, 40))
    assert more.result.makespan_ps - few.result.makespan_ps == 20 * 512 * period


@pytest.mark.parametrize(
    ("network", "options", "rate"),
    [("lenet5", {"bits_w": 4, "bits_a": 4}, 2000), ("ds-cnn", {"bits_w": 4, "bits_a": 4}, 500)],
)
def test_networks_run_at_the_rate_they_were_built_for(
    network: str, options: dict[str, object], rate: float
) -> None:
    runs = [
        run_network(
            network,
            options,
            BOARD,
            batch,
            pipeline__target=f"{rate} fps",
            pipeline__fifo_depth=4096,
        )
        for batch in (4, 8)
    ]
    took = (runs[1].result.makespan_ps - runs[0].result.makespan_ps) / 4
    assert 1e12 / took >= rate


def test_a_residual_network_becomes_branches_that_are_deep_enough() -> None:
    workload = load_or_capture(
        "resnet18", {"bits_w": 4, "bits_a": 4, "image_size": 32}, mode="inference", batch=2,
        optimizer="sgd",
    )  # fmt: skip
    kinds = [stage.kind.value for stage in stage_graph(workload).stages]
    assert kinds.count("join") == kinds.count("fork") == 8
    room = {"luts": 10**7, "block_ram36": 10**5, "dsps": 0}
    design = load(BOARD, {"pipeline.target": "500 fps", "pipeline.board": room})
    assert simulate(workload, design).result.makespan_ps > 0


@pytest.mark.parametrize(
    ("network", "options", "mode", "expected"),
    [
        ("lenet5", {}, "inference", "computes with integers"),
        ("lenet5", {"bits_w": 4, "bits_a": 4}, "training", "inference only"),
        ("skynet", {"bits_w": 4, "bits_a": 4}, "inference", "cannot be part of a dataflow"),
    ],
)
def test_networks_that_cannot_be_pipelines_are_refused(
    network: str, options: dict[str, object], mode: str, expected: str
) -> None:
    workload = load_or_capture(network, options, mode=mode, batch=2, optimizer="sgd")
    with pytest.raises(CosimError, match=expected):
        simulate(workload, load(BOARD))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('template = "dataflow-pipelin"', "did you mean 'dataflow-pipeline'"),
        ('[pipeline]\ntarket = "3000 fps"', "bad.toml:4: unknown key 'pipeline.tarket'"),
        ('[pipeline]\ntarget = "3000 Hz"', "target"),
        ('[pipeline]\nclock = "fabrik"', "did you mean 'fabric'"),
        ('[pipeline.fifo]\n"conv0" = { depth = 3 }', "names no FIFO"),
        ('[dma.output]\ncarries = ["input"]', 'exactly one channel that carries "input"'),
        ("[engine.array]\nrows = 3", "unknown key 'engine'"),
    ],
)
def test_mistakes_in_a_design_are_said_in_one_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(f'base = "{BOARD}"\nname = "bad"\n{text}\n')
    with pytest.raises(CosimError) as caught:
        load(file)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_published_figures_are_met() -> None:
    (result,) = run_cases(load_cases(["finn"]))
    assert not result.outside


@pytest.mark.parametrize(
    "changes",
    [
        {"dram.tier": "burst"},
        {
            "power.policy.kind": "token-bucket", "power.policy.rate": "10 mW",
            "power.policy.burst": "2 uJ",
        },
    ],
)  # fmt: skip
def test_dram_bursts_and_power_policies_hold_for_pipelines(changes: dict[str, object]) -> None:
    """All images go through, and both executors agree."""
    workload = load_or_capture(
        "lenet5", {"bits_w": 4, "bits_a": 4}, mode="inference", batch=4, optimizer="sgd"
    )
    design = load(BOARD, changes)
    slow, fast = (simulate(workload, design, executor=e) for e in ("simpy", "python"))
    assert slow.result.makespan_ps == fast.result.makespan_ps
    plain = simulate(workload, load(BOARD)).result.makespan_ps
    assert slow.result.makespan_ps > 0.9 * plain
    assert slow.result.makespan_ps != plain
