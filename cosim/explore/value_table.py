"""Which networks compute what PyTorch does on which boards: a table.

    python -m cosim.explore.value_table

Runs every network of `NETWORKS` with values on every board of the catalogue, one made-up input
each, and prints a table in Markdown with a note for whatever is not equal. Some of it::

    python -m cosim.explore.value_table --only 'lenet5*' --boards 'nvdla-*'
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from cosim import design as designs
from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.explore.value_run import ValueResult, value_run
from cosim.machine.values.faults import Mismatch, Overflow, ValueFault
from cosim.mapping.fusion import CONTRACTIONS
from cosim.mapping.mapping import Mapping
from cosim.simulate import Simulation, simulate
from cosim.workload.networks import load_or_capture
from cosim.workload.workload import Workload

EQUAL = "equal"


@dataclass(frozen=True)
class Network:
    """A workload of the table."""

    title: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    mode: str = "inference"
    batch: int = 1

    def workload(self) -> Workload:
        return load_or_capture(
            self.name, self.options, mode=self.mode, batch=self.batch, optimizer="sgd"
        )


def _bits(weights: int | str, activations: int, **more: Any) -> dict[str, Any]:
    return {"bits_w": weights, "bits_a": activations, **more}


NETWORKS = (
    Network("lenet5 int8", "lenet5", _bits(8, 8)),
    Network("lenet5 ternary", "lenet5", _bits("ternary", 8)),
    Network("lenet5 4-bit", "lenet5", _bits(4, 8)),
    Network("mlp", "mlp", batch=4),
    Network("mlp training", "mlp", mode="training", batch=4),
    Network("tt-mlp", "tt-mlp", {"rank": 8}, batch=4),
    Network("tt-mlp training", "tt-mlp", {"rank": 8}, "training", 4),
    Network("cnv w1a1", "cnv", _bits(1, 1)),
    Network("mobilenetv2 int8 96x96", "mobilenetv2", _bits(8, 8, image_size=96)),
    Network("resnet18 int8 64x64", "resnet18", _bits(8, 8, image_size=64)),
)


NARROWER: dict[str, tuple[str, dict[str, object]]] = {
    "ultra96-pipeline, narrow": ("ultra96-pipeline", {"pipeline.simd": 2, "pipeline.pe": 1}),
}
"""Boards that hold more networks if their engines are built narrower."""


def board(title: str) -> Design:
    """A board of the catalogue, or one of `NARROWER`."""
    name, changes = NARROWER.get(title, (title, {}))
    return designs.load(name, changes)


@dataclass(frozen=True)
class Cell:
    """What became of a network on a board: a word, and why it is not `EQUAL`."""

    word: str
    why: str = ""


def cell(network: Network, design: Design) -> Cell:
    """Map, simulate and carry out a network on a design."""
    try:
        simulation = simulate(network.workload(), design)
    except CosimError as error:
        return Cell("not mapped", str(error))
    try:
        return _judged(value_run(simulation), _by_host(simulation))
    except Overflow as error:
        return Cell("overflow", str(error).partition(", layer ")[2])
    except (Mismatch, ValueFault) as error:
        return Cell("DIFFERS", str(error))
    except CosimError as error:
        return Cell("no values", str(error))


def _judged(result: ValueResult, by_host: str) -> Cell:
    if not result.agrees:
        wrong = next(c for c in result.comparisons if not c.agrees)
        return Cell("DIFFERS", str(wrong.error()))
    taken = f"taken from PyTorch: {', '.join(result.taken)}" if result.taken else ""
    return Cell(EQUAL, taken or by_host)


def _by_host(simulation: Simulation) -> str:
    """Why no product is the array's, if that is so."""
    mapping = simulation.mapping
    if not isinstance(mapping, Mapping):
        return ""
    groups = [g for g in mapping.grouping.groups if any(op.kind in CONTRACTIONS for op in g.ops)]
    if not groups or any(g.anchor is not None for g in groups):
        return ""
    return f"the host computes all products: {groups[0].reason}"


def table(
    networks: Sequence[Network], titles: Sequence[str], told: Callable[[str], None]
) -> list[str]:
    """Lines of Markdown: a row a board, notes below."""
    notes: dict[str, int] = {}
    lines = [
        "| | " + " | ".join(n.title for n in networks) + " |", "|---" * (1 + len(networks)) + "|"
    ]  # fmt: skip
    found: dict[str, list[str]] = {title: [] for title in titles}
    for network in networks:  # a network's reference is recorded once for boards like each other
        for title in titles:
            told(f"{network.title} on {title}")
            made = cell(network, board(title))
            note = f" ({notes.setdefault(made.why, len(notes) + 1)})" if made.why else ""
            found[title].append(made.word + note)
    lines += [f"| {title} | {' | '.join(cells)} |" for title, cells in found.items()]
    lines += [""] + [f"{number}. {why}" for why, number in notes.items()]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if something differs."""
    parser = argparse.ArgumentParser(
        prog="python -m cosim.explore.value_table",
        description="Which networks compute what PyTorch does on which boards.",
    )  # fmt: skip
    parser.add_argument(
        "--only", metavar="PATTERN", default="*", help="networks, such as 'lenet5*'"
    )
    parser.add_argument(
        "--boards", metavar="PATTERN", default="*", help="boards, such as 'nvdla-*'"
    )
    args = parser.parse_args(arguments)
    networks = [n for n in NETWORKS if fnmatch(n.title, args.only)]
    every = [*designs.names(), *NARROWER]
    boards = [title for title in every if fnmatch(title, args.boards)]
    for what, chosen, known in (
        ("network", networks, [n.title for n in NETWORKS]), ("board", boards, every)
    ):  # fmt: skip
        if not chosen:
            print(f"no such {what}; expected one of {', '.join(known)}", file=sys.stderr)
            return 2
    lines = table(networks, boards, lambda text: print(text, file=sys.stderr, flush=True))
    print("\n".join(lines))
    return int(any("DIFFERS" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
