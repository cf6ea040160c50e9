"""The runs that are opened."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gui.benchmark.rows import Row

BATCH = 6912
"""Samples of the run of ten million intervals."""

LARGE, COMPRESSED, LAYERS = "large", "compressed", "resnet18"


def make_runs(folder: Path, batch: int) -> list[Row]:
    """A perceptron on a small array with tiny buffers: many tiles; and ResNet-18: many layers."""
    from gui.views.run_data import find_runs, open_run

    for name, samples, forward in ((LARGE, batch, False), (COMPRESSED, 1_000_000, True)):
        if not (folder / name / "manifest.json").is_file():
            _make_run(folder / name, samples, forward)
    if not find_runs(folder / LAYERS):
        from cosim.explore.run_scenario import run_scenario
        from cosim.explore.scenario_file import read_scenario

        scenario = read_scenario("resnet18")
        run_scenario(scenario, scenario.points()[:1], folder / LAYERS)
    rows = []
    for name in (LARGE, COMPRESSED, LAYERS):
        timeline = open_run(find_runs(folder / name)[0]).timeline
        rows.append(Row(f"intervals of the {name} run", len(timeline), ""))
        rows.append(Row("    rows stored", len(timeline.stored["end"]), ""))
    return rows


def _make_run(folder: Path, batch: int, fast_forward: bool) -> None:
    import cosim.design as designs
    from cosim.machine.execute import run as execute
    from cosim.machine.program_file import program_to_data
    from cosim.mapping.mapping import map_workload
    from cosim.timeline.run_folder import write_run
    from cosim.workload.networks import load_or_capture

    buffers = ("input", "weight", "accumulator", "output")
    design = designs.load(
        "edge-asic-16x16",
        {"engine.array.rows": 4, "engine.array.columns": 4, "dram.capacity": "512 GiB",
         **{f"buffer.{name}.size": "3 KiB" for name in buffers}},
    )  # fmt: skip
    workload = load_or_capture("mlp", {}, mode="inference", batch=batch, optimizer="sgd")
    mapping = map_workload(workload, design)
    result = execute(mapping.program, fast_forward=fast_forward)
    write_run(
        folder, result.timeline, program=program_to_data(mapping.program),
        manifest={
            "workload": {"name": f"mlp, batch {batch}"},
            "design": {"name": "edge-asic-16x16, tiny", "values": asdict(design)},
            "facts": dict(mapping.program.facts), "makespan_ps": result.makespan_ps,
        },
        summary={"makespan_ps": result.makespan_ps, "breakdown_ps": {}, "layers": {}},
    )  # fmt: skip
