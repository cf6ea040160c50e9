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
            [
                name,
                f"{record['parameters']:,}",
                ranks,
                f"{size / 1024:.0f}",
                f"{100.0 * accuracy:.1f}",
                record["data"],
            ]
        )
        recipes.append(f"# {name}\n" + "\n".join(record["commands"]))
    return "\n\n".join(
        [
            "## Checkpoints in the repository",
            "Measured by `python -m models.results checkpoints`: networks of `models/checkpoints` "
            f"on the {len(dataset.test_targets):,} test images of the bundled digits. Those "
            f"trained on the other {len(dataset.train_targets):,} bundled images have seen far "
            "fewer than the full MNIST holds, hence their lower accuracy; those trained on the "
            "full MNIST may have seen some of the bundled test images. One seed each.",
            table(["name", "parameters", "ranks", "file, KiB", "accuracy, %", "data"], rows),
            "Each was made by the commands below its name; `python -m models.checkpoints make` "
            "repeats those on bundled images, and keeps matrices in half precision.",
            "```sh\n" + "\n".join(recipes) + "\n```",
        ]
    )
