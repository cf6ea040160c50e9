"""``python -m models.tensor_train.results --data mnist.npz --seeds 0,1,2``: the table.

Trains the dense and the tensorized networks on full MNIST, counts the memory of a training step,
prints the table; ``--write docs/results.md`` puts it there, ``--keep`` stores the networks of the
first seed in ``models/checkpoints``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.status import Status

from models.errors import ModelError
from models.results.document import replace_section
from models.tensor_train.results.keep import keep_adapted, keep_codes
from models.tensor_train.results.tables import collect, markdown, show
from models.training.data import load


def main(arguments: list[str]) -> int:
    """Train, count, print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m models.tensor_train.results",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, help="path of mnist.npz (or a bundled name)")
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated whole numbers")
    parser.add_argument("--write", metavar="FILE", help="update the section of this document")
    parser.add_argument("--keep", action="store_true", help="store the first seed's networks")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")]
    except ValueError:
        console.print(f"--seeds {options.seeds!r}: expected numbers like 0,1,2", style="red")
        return 2
    try:
        data = load(options.data)
        with Status("", console=console) as status:
            results = collect(data, seeds, lambda text: status.update(text))
        show(results, console)
        if options.write:
            replace_section(Path(options.write), "tensorized", markdown(results, seeds))
        if options.keep:
            keep_adapted(results, data, seeds[0])
            keep_codes(results, data, seeds[0])
    except ModelError as error:
        print(f"models.tensor_train.results: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
