"""A scenario of two layers on two boards that runs in milliseconds, without torch."""

from __future__ import annotations

from pathlib import Path

from cosim.workload.files import save_workload
from tests.mapping.examples import Builder

SCENARIO = """
description = "two small layers"
question = "where does the time go?"

[[workload]]
name = "small"
file = "small.json"

[[design]]
base = "ultra96"

[[design]]
base = "pynq-z1"
set = { "engine.array.rows" = 8 }

[vary]
"design.power.budget" = ["unlimited", "900 mW"]
"""


def write(folder: Path, text: str = SCENARIO) -> Path:
    """The scenario and its workload file in `folder`; returns the scenario."""
    network = Builder("small")
    hidden = network.gemm(network.input(32, 64), 96, bias=True)
    network.gemm(hidden, 10)
    save_workload(network.build(), folder / "small.json")
    file = folder / "two-layers.toml"
    file.write_text(text, encoding="utf-8")
    return file
