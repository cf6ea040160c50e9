"""The columns of a sweep's table: the usual ones without a timeline, the others from a summary.

A sweep of thousands of points asks for a handful of numbers. Those here need no interval of the
timeline: every task of every foreground component has run when the run ends, so counting tasks is
counting the program's. Columns that do need intervals (``breakdown.bandwidth``,
``peak_power_w``) are keys of the full summary (`cosim.analysis.summary.summarise`), with dots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cosim.analysis.breakdown import LABELS
from cosim.analysis.distinct_rows import distinct_rows
from cosim.analysis.energy import energy, task_counts
from cosim.analysis.operating_states import weighted_counts
from cosim.analysis.summary import PER_SECOND, analyse, summarise
from cosim.analysis.task_table import Integers, Numbers, TaskTable
from cosim.errors import CosimError, nearest
from cosim.machine.execute import RunResult
from cosim.mapping.program import Program
from cosim.mapping.template import AnyMapping

USUAL = {
    "latency_s": "time of the run",
    "makespan_ps": "the same, exact",
    "cycles": "the same in cycles of the array's clock",
    "macs": "multiply-accumulates executed",
    "macs_per_s": "the same over the time of the run",
    "energy_j": "energy of accelerator, DRAM and host",
    "average_power_w": "power of accelerator and DRAM over the run; the host is left out",
    "energy_delay_js": "energy times latency",
    "dram_bytes": "bytes moved over the DRAM's pins",
    "peak_memory_bytes": "largest footprint of the tensors in DRAM and on chip",
    "array_utilisation": "multiply-accumulates over those of an array that never waits",
    "array_elements": "processing elements: rows times columns",
    "buffer_bytes": "on-chip memory, all buffers together",
}
"""Columns that every point has, with what they mean."""

FROM_PARENT = {"accuracy": "share of right answers, of a trained checkpoint"}
"""Columns that are known of a workload before it runs."""


def usual(mapping: AnyMapping, result: RunResult) -> dict[str, float | int]:
    """The columns of `USUAL`."""
    program, design = mapping.program, mapping.design
    counts, tasks = executed(program, result), TaskTable(program)
    weighted: Integers | Numbers = counts
    if result.governor is not None:  # tasks in lower states took less
        weighted = weighted_counts(distinct_rows(program, result.timeline), counts)
    spent = energy(
        program, design, weighted, result.makespan_ps, tasks, commands=result.dram,
        governor=result.governor,
    )  # fmt: skip
    seconds = result.makespan_ps / PER_SECOND
    period = design.clock(design.array.clock).period_ps
    elements = sum(array.macs_per_cycle for array in design.arrays)
    macs = int((counts * tasks.macs[:-1]).sum())
    on_array = int((counts * np.where(tasks.computes, tasks.macs, 0)[:-1]).sum())
    moved = int((counts * tasks.dram_bytes[:-1]).sum())
    domain_pj = float((counts * tasks.domain_energy_pj[:-1]).sum())
    domain_pj += program.static_mw * result.makespan_ps * 1e-3
    # what was counted instead of being taken from the templates
    if result.dram is not None or result.governor is not None:
        domain_pj = spent.total_pj - spent.by_component.get("host", 0.0)
    cycles = result.makespan_ps / period
    return {
        "latency_s": seconds,
        "makespan_ps": result.makespan_ps,
        "cycles": -(-result.makespan_ps // period),
        "macs": macs,
        "macs_per_s": macs / seconds if seconds else 0.0,
        "energy_j": spent.total_pj / PER_SECOND,
        "average_power_w": domain_pj / PER_SECOND / seconds if seconds else 0.0,
        "energy_delay_js": spent.total_pj / PER_SECOND * seconds,
        "dram_bytes": moved,
        "peak_memory_bytes": _peak_memory(program),
        "array_utilisation": on_array / (elements * cycles) if cycles else 0.0,
        "array_elements": elements,
        "buffer_bytes": sum(buffer.size_bytes for buffer in design.buffers),
    }


def _peak_memory(program: Program) -> int:
    facts = program.facts.get("memory")
    return int(facts.get("peak_bytes", 0)) if isinstance(facts, Mapping) else 0


def executed(program: Program, result: RunResult) -> Integers:
    """Tasks executed of every template, shape (n_templates,)."""
    if needs_timeline(program):
        return task_counts(program, result.timeline)
    counts = np.zeros(len(program.templates), np.int64)
    for component in program.components:
        for template, count in component.counts.items():
            counts[template] += count
    return counts


def needs_timeline(program: Program) -> bool:
    """Whether even the usual columns count intervals: tasks in the background end with the run."""
    background = any(component.background for component in program.components)
    return background or program.governing is not None


def further(
    mapping: AnyMapping, result: RunResult, columns: Sequence[str]
) -> dict[str, float | int | str | None]:
    """Columns of the full summary by dotted key.

    Raises
    ------
    CosimError
        For a key that the summary does not have.
    """
    if not columns:
        return {}
    analysis = analyse(
        mapping.program, mapping.design, result.timeline, result.makespan_ps, result.dram
    )
    summary = summarise(analysis)
    return {column: _looked_up(summary, column) for column in columns}


def _looked_up(summary: Mapping[str, Any], column: str) -> Any:
    """The value at a dotted key; a cause that took no time is 0, a layer that is not there None."""
    value: Any = summary
    rest = column
    while rest:
        if not isinstance(value, Mapping):
            raise _unknown(column, summary)
        # names of layers have dots as well: the longest key that fits
        keys = [k for k in value if rest == k or rest.startswith(f"{k}.")]
        if not keys:
            if value is summary:
                raise _unknown(column, summary)
            cause = column.partition(".")[0].startswith("breakdown") and rest in LABELS
            return 0 if cause else None
        key = max(keys, key=len)
        value, rest = value[key], rest[len(key) + 1 :]
    if isinstance(value, Mapping | list):
        raise CosimError(
            f"column '{column}' is a table", expected=f"{column}.KEY",
            nearest=f"{column}.{next(iter(value))}" if isinstance(value, Mapping) and value else "",
        )  # fmt: skip
    return value


def _unknown(column: str, summary: Mapping[str, Any]) -> CosimError:
    return CosimError(
        f"no such column '{column}'",
        expected=f"one of {', '.join(USUAL)}, or a key of a run's summary as breakdown.bandwidth",
        nearest=nearest(column, [*USUAL, *summary]),
    )
