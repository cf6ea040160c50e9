"""The checkpoints that come with the project, measured again.

example:
  python -m models.results checkpoints
"""

from __future__ import annotations

import argparse

from models import checkpoints
from models.results.document import table
from models.training import evaluate, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what this topic takes: nothing."""


def run(arguments: argparse.Namespace) -> str:
    """Measure every kept checkpoint on the bundled digits and return a table as Markdown."""
    dataset = load("mnist-5k")
    rows, recipes = [], []
    for name in checkpoints.names():
        record = checkpoints.record(name)
        accuracy = evaluate(checkpoints.load(name), dataset)
        ranks = "; ".join(",".join(map(str, r)) for r in record.get("ranks", {}).values())
        size = checkpoints.path(name).stat().st_size
        rows.append(
            [name, f"{record['parameters']:,}", ranks, f"{size / 1024:.0f}", f"{accuracy:.3f}"]
        )
        recipes.append(f"# {name}\n" + "\n".join(record["commands"]))
    return "\n\n".join(
        [
            "## Checkpoints in the repository",
            "Measured by `python -m models.results checkpoints`: networks of `models/checkpoints` "
            f"on the {len(dataset.test_targets):,} test images of the bundled digits, trained on "
            f"{len(dataset.train_targets):,} (far fewer than the full MNIST, hence the lower "
            "accuracy). One seed each.",
            table(["name", "parameters", "ranks", "file, KiB", "accuracy"], rows),
            "Made by `python -m models.checkpoints make`, which does the same as (matrices are "
            "then kept in half precision):",
            "```sh\n" + "\n".join(recipes) + "\n```",
        ]
    )
