"""Kind ``run``: networks run on designs, figures taken from the summaries of the runs.

::

    [run.small]                     # one or more; a case with one run need not name it in its rows
    workload = { network = "resnet50", options = { bits_w = 8 }, batch = 1 }
    design = "nvdla-small"          # a board of the catalogue, or a file beside the case
    set = { "power.budget" = "1 W" }

    [[row]]
    run = "small"
    quantity = "images per second"
    value = "batch / latency_s"     # numbers of the summary by dotted path, and batch
    reference = 7
    ...

    [[row]]
    layers = ["features.0*"]        # seconds, cycles, array_cycles then are sums over these layers
    value = "cycles"
    ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

import cosim.design as designs
from cosim.analysis.summary import analyse, summarise
from cosim.design.specification_base import Specification
from cosim.errors import CosimError, nearest, unknown
from cosim.explore.expressions import parse_expression
from cosim.explore.run_scenario import WorkloadStore
from cosim.explore.scenario import DesignEntry, WorkloadEntry
from cosim.explore.scenario_file import WorkloadTable
from cosim.explore.validation.case import CaseSpec, RowSpec
from cosim.explore.validation.kinds import Simulated, Told
from cosim.simulate import simulate as run_on_machine

Numbers = dict[str, float]


class RunSpec(Specification):
    workload: WorkloadTable
    """As in a scenario."""
    design: str
    """A board of `cosim list boards`, or a design file beside the case."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Changes of the design by dotted path."""


class RunRow(RowSpec):
    run: str | None = None
    """Name of the run; need not be said where there is only one."""
    value: str
    """A number of the run's summary by dotted path, or an expression over such numbers."""
    layers: list[str] = Field(default_factory=list)
    """Patterns of layers over which the numbers of layers are summed."""


class CASE(CaseSpec):
    run: Annotated[dict[str, RunSpec], Field(min_length=1)]
    row: Annotated[list[RunRow], Field(min_length=1)]


def simulate(case: CASE, folder: Path, told: Told) -> Sequence[Simulated]:
    """Run every network that a row asks for once, then take the rows from the summaries."""
    summaries: dict[str, dict[str, Any] | CosimError] = {}
    store = WorkloadStore()
    for done, (name, spec) in enumerate(case.run.items()):

        def part(share: float, done: int = done) -> None:
            told((done + share) / len(case.run))

        try:
            summaries[name] = _summary(name, spec, folder, store, part)
        except CosimError as error:
            summaries[name] = error.at(f"run.{name}")
    return [_value(row, summaries) for row in case.row]


def _summary(
    name: str, spec: RunSpec, folder: Path, store: WorkloadStore, told: Told
) -> dict[str, Any]:
    table = spec.workload
    file = None if table.file is None else folder / table.file
    workload = WorkloadEntry(
        name, table.network or "", file, table.options, table.mode, table.batch, table.optimizer,
        f"run.{name}.workload", table.zeros,
    )  # fmt: skip
    shipped = spec.design in designs.names()
    base = spec.design if shipped else str(folder / spec.design)
    design = DesignEntry(name, base, spec.set, f"run.{name}.design").load()

    def advanced(done: int, total: int) -> None:
        told(done / total if total else 0.0)

    done = run_on_machine(store.get(workload), design, progress=advanced)
    analysis = analyse(
        done.program, done.design, done.result.timeline, done.result.makespan_ps, done.result.dram
    )
    return {**summarise(analysis), "batch": table.batch}


def _value(row: RunRow, summaries: Mapping[str, dict[str, Any] | CosimError]) -> Simulated:
    name = row.run or next(iter(summaries))
    if name not in summaries:
        return unknown("run", name, summaries, where=row.quantity)
    if row.run is None and len(summaries) > 1:
        choices = ", ".join(summaries)
        return CosimError("says no run", where=row.quantity, expected=f"run = one of {choices}")
    summary = summaries[name]
    if isinstance(summary, CosimError):
        return summary
    try:
        numbers = dict(_numbers(summary)) | _of_layers(summary["layers"], row.layers)
        expression = parse_expression(row.value, row.quantity)
        expression.check_names(numbers)
        value = expression.compute(numbers)
    except CosimError as error:
        return error
    if isinstance(value, bool) or not isinstance(value, int | float):
        return CosimError(f"'{row.value}' is no number", where=row.quantity)
    return float(value)


def _numbers(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a summary with its dotted path."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{path}{key}", value


def _of_layers(layers: Mapping[str, Any], patterns: Sequence[str]) -> Numbers:
    """Numbers of layers that match a pattern, summed; nothing where no layer is asked for."""
    total: Numbers = {}
    for pattern in patterns:
        found = [name for name in layers if fnmatchcase(name, pattern)]
        if not found:
            raise CosimError(f"no layer matches '{pattern}'", nearest=nearest(pattern, layers))
    for name, numbers in layers.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            for key, value in _numbers(numbers):
                total[key] = total.get(key, 0.0) + value
    return total
