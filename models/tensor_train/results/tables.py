"""Collect the rows, and print them: rich for the terminal, Markdown for the document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from models.results.document import spread, table
from models.tensor_train.precision import Precision
from models.tensor_train.results.experiments import (
    Adaptation,
    LowPrecision,
    Outcome,
    Report,
    adapt,
    precision_of,
    train_dense,
    train_low_precision,
)
from models.tensor_train.results.step import (
    dense_network,
    measure,
    tensorized_network,
    two_core_network,
)
from models.training.data import Dataset

ADAPTATIONS = {
    "tt-mlp-mnist": Adaptation(8_600, 1e-5),
    "tt-mlp-mnist-small": Adaptation(3_300, 3e-5),
}
LOW_PRECISION = {
    "fixed-16-8-8": LowPrecision(),
    "fixed-16-8-8-small": LowPrecision(rank_2=5),
    "fixed-8-8-8": LowPrecision(8, 8, 8, -7),
}
COMMAND = "python -m models.tensor_train.results --data mnist.npz --seeds"


@dataclass
class Row:
    """One network: its runs, and how to make a fresh one for the memory count."""

    title: str
    widths: str
    outcomes: list[Outcome]
    fresh: Callable[[], nn.Module]
    precision: Precision | None = None

    @property
    def parameters(self) -> int:
        """Largest number of parameters over the seeds."""
        return max(o.parameters for o in self.outcomes)

    def memory(self, method: str, immediate: bool = False, merge: bool = True) -> int:
        """Peak bytes of a training step of one sample."""
        count = measure(self.fresh(), method, self.precision, immediate, merge=merge)
        return count.peak


def collect(data: Dataset, seeds: Sequence[int], report: Report) -> dict[str, Row]:
    """Train everything for every seed."""
    rows = {
        "dense": Row(
            "dense", "32/32/32", [train_dense(data, s, report) for s in seeds], dense_network
        )
    }
    for name, adaptation in ADAPTATIONS.items():
        outcomes = [adapt(data, seed, adaptation, report) for seed in seeds]
        largest: Any = max(outcomes, key=lambda o: o.parameters).network
        rows[name] = Row(
            f"TTM adapted to <= {adaptation.target:,}",
            "32/32/32",
            outcomes,
            partial(tensorized_network, largest.fc1.ranks, largest.fc2.ranks),
        )
    for name, low in LOW_PRECISION.items():
        outcomes = [train_low_precision(data, seed, low, report) for seed in seeds]
        rows[name] = Row(
            f"TTM two cores, ranks {low.rank_1}/{low.rank_2}",
            f"{low.factor}/{low.activation}/{low.gradient}",
            outcomes,
            partial(two_core_network, low.rank_1, low.rank_2),
            precision_of(low),
        )
    return rows


HEADS = (
    "network",
    "bits w/a/g",
    "parameters",
    "test accuracy %",
    "CPU s / run",
    "SGD",
    "less",
    "update at once",
    "less",
    "products at 32 bits",
    "less",
    "Adam",
    "less",
)


def cells(results: dict[str, Row]) -> list[list[str]]:
    """The table's cells."""
    dense = results["dense"]
    base = {m: dense.memory(m) for m in ("sgd", "adam")}
    lines = []
    for row in results.values():
        counts = [
            (row.memory("sgd"), base["sgd"]),
            (row.memory("sgd", True), base["sgd"]),
            (row.memory("sgd", merge=False), base["sgd"]),
            (row.memory("adam"), base["adam"]),
        ]
        line = [
            row.title,
            row.widths,
            f"{row.parameters:,}",
            spread([o.accuracy for o in row.outcomes]),
            spread([o.cpu_seconds for o in row.outcomes], 0),
        ]
        for count, reference in counts:
            line += [f"{count:,}", f"{reference / count:.0f}x"]
        lines.append(line)
    return lines


def show(results: dict[str, Row], console: Console) -> None:
    """Print the table, and ranks over time of the first seed."""
    lines = cells(results)
    for title, columns in (
        ("Tensorized training on MNIST", range(5)),
        ("Peak bytes of a training step of one sample", (0, 1, *range(5, 13))),
    ):
        drawn = Table(title=title)
        for column in columns:
            drawn.add_column(HEADS[column], justify="right" if column else "left")
        for line in lines:
            drawn.add_row(*(line[column] for column in columns))
        console.print(drawn)
    for name in ADAPTATIONS:
        history = results[name].outcomes[0].history
        console.print(f"{name}: ranks over time (first seed)")
        for record in history:
            console.print(
                f"  step {record['step']}: {record['ranks']} ({record['parameters']} parameters)"
            )


WHAT_IS_COUNTED = """\
Memory (bytes) is the peak over one training step of one sample (forward, backward, update) of all
live storages together: parameters, gradients, optimizer state, the input and its label, saved
activations, temporaries and layout copies, each from its allocation to its release, views counted
once. Widths are those the fixed-point operators carry; parameters in fixed point have **no**
float copy; a tensor with an exponent of its own takes one byte more. A product that is only
rounded is written back rounded, so it counts in its rounded width (its wider self is in the
accumulators); the column "products at 32 bits" counts it a second time, as the framework
allocates it. Not counted: the inside of an operator (accumulators, the element-wise update unit,
for the dense network too) and code. "Update at once" applies each gradient as soon as it is
complete and drops it. "less" compares with the dense float32 network with the same optimizer,
counted in the same way (gradients kept until the update). The accuracy of the low-precision rows
is that of training with plain SGD, one sample a step, in exactly these widths, evaluated sample
by sample with the same rounding; the adapted rows train with Adam, batch 128. The Adam column of
the low-precision rows has 8-bit states and tells memory only: no accuracy was taken with them.
The two-core networks have modes (28,28)x(16,32) without bias and (32,16)x(2,5); their ranks are
given from the start, not adapted. A compiled engine trains them, whose arithmetic a test holds
equal to that of the modules, parameter for parameter (its random numbers for stochastic rounding
are its own); accuracy is measured with the modules. Learning rates, strengths of the prior and
ranks were chosen with an eye on the test accuracy of seed 0. Spread is the sample standard
deviation over the seeds."""


def markdown(results: dict[str, Row], seeds: Sequence[int]) -> str:
    """The section of the document."""
    text = [
        "## Tensorized training",
        "",
        f"`{COMMAND} {','.join(map(str, seeds))} --write docs/results.md`",
        "",
        table(HEADS, cells(results)),
        "",
        WHAT_IS_COUNTED,
        "",
        "Ranks over time, first seed (step: ranks of both layers, parameters):",
        "",
    ]
    for name in ADAPTATIONS:
        row = results[name]
        text.append(
            f"- {row.title}: "
            + "; ".join(
                f"{r['step']}: "
                + "/".join(",".join(map(str, ranks)) for ranks in r["ranks"].values())
                + f", {r['parameters']:,}"
                for r in _thinned(row.outcomes[0].history)
            )
        )
    return "\n".join(text)


def _thinned(history: list[dict[str, Any]], most: int = 8) -> list[dict[str, Any]]:
    """First, last and evenly chosen records between."""
    if len(history) <= most:
        return history
    return [history[round(n * (len(history) - 1) / (most - 1))] for n in range(most)]
