"""The answers of one run as one JSON-able dictionary, the same on every machine.

`analyse` computes what the parts of a report need once; `summarise` turns it into the dictionary
that is kept as ``summary.json`` in the run folder. Times are seconds, energies joules, powers
watts, sizes bytes; exact picoseconds stand beside where a sum must hold to the picosecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cosim.analysis import roofline
from cosim.analysis.breakdown import LABELS, Breakdown, latency_breakdown
from cosim.analysis.component_time import ComponentTime, component_times
from cosim.analysis.counters import Counters
from cosim.analysis.distinct_rows import DistinctRows, Source, distinct_rows
from cosim.analysis.energy import ALWAYS, NO_LAYER, Energy, energy, task_counts
from cosim.analysis.memory import MemoryOverTime, memory_over_time
from cosim.analysis.operating_states import weighted_counts
from cosim.analysis.repeated_steps import Counter
from cosim.analysis.sampled import SAMPLED_POWER, governor_summary, sampled_counters
from cosim.analysis.task_table import Integers, TaskTable
from cosim.design.design import Design
from cosim.machine.dram.energy import Commands
from cosim.mapping.program import Program
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.timeline import Timeline

PER_SECOND = 1e12
"""Picoseconds; also picojoules in a joule. Dividing rounds once, so 1739000 ps is 1.739e-06 s."""


class Work(NamedTuple):
    """What tasks do, each column of shape (n_templates,)."""

    macs: Integers
    array_cycles: Integers
    read_bytes: Integers
    written_bytes: Integers


class LayerTotals(NamedTuple):
    """Sums over the tasks of each layer, and last of those that belong to none."""

    macs: list[int]
    array_cycles: list[int]
    dram_bytes: list[int]


@dataclass(frozen=True)
class Analysis:
    """Everything derived from one run, each part computed when it is first asked for."""

    program: Program
    design: Design
    source: Source
    makespan_ps: int
    commands: Commands | None = None
    """What a DRAM channel that was served burst by burst has done."""

    @cached_property
    def tasks(self) -> TaskTable:
        return TaskTable(self.program)

    @cached_property
    def run(self) -> DistinctRows:
        """The rows of the run, each once."""
        return distinct_rows(self.program, self.source, self.tasks)

    @cached_property
    def breakdown(self) -> Breakdown:
        return latency_breakdown(self.program, self.design, self.run)

    @cached_property
    def components(self) -> list[ComponentTime]:
        return component_times(self.program, self.run, self.makespan_ps)

    @cached_property
    def task_counts(self) -> Integers:
        return task_counts(self.program, self.run)

    @cached_property
    def energy(self) -> Energy:
        counts = weighted_counts(self.run, self.task_counts)
        return energy(
            self.program, self.design, counts, self.makespan_ps, self.tasks, self.commands,
            self.governor,
        )  # fmt: skip

    @cached_property
    def governor(self) -> GovernorLog | None:
        """What a power governor saw and did."""
        return self.source.governor if isinstance(self.source, Timeline) else None

    @cached_property
    def sampled(self) -> list[Counter]:
        """What a power governor sampled, as counters: temperature, clock, averages, energy."""
        return [*sampled_counters(self.governor, self.makespan_ps)] if self.governor else []

    @cached_property
    def memory(self) -> MemoryOverTime | None:
        return memory_over_time(self.program, self.run, self.makespan_ps)

    @cached_property
    def counters(self) -> Counters:
        return Counters(self.run, self.makespan_ps)

    @cached_property
    def peaks(self) -> dict[str, float]:
        """Largest values of ``power`` (mW), ``DRAM bandwidth`` (B/s) and every ``buffer ...``."""
        found = self.counters
        names = ("power", "DRAM bandwidth", *(f"buffer {b.name}" for b in found.buffers))
        values = found.peaks([found.power, found.dram_bandwidth, *found.buffers])
        return dict(zip(names, values, strict=True))

    @cached_property
    def buffers(self) -> list[Counter]:
        """Occupancy of every buffer over time."""
        return [self.counters.steps(buffer) for buffer in self.counters.buffers]

    @cached_property
    def dram_bandwidth(self) -> Counter:
        return self.counters.steps(self.counters.dram_bandwidth)

    @cached_property
    def power(self) -> Counter:
        return self.counters.steps(self.counters.power)

    @cached_property
    def reserved_power(self) -> Counter | None:
        """Power that the budget has granted over time; None where none is reserved."""
        of = self.counters.reserved_power
        return None if of is None else self.counters.steps(of)

    @cached_property
    def work(self) -> Work:
        """What all tasks of each template do together."""
        tasks, counts = self.tasks, self.task_counts
        columns = (tasks.macs, tasks.array_cycles, tasks.read_bytes, tasks.written_bytes)
        return Work(*(counts * column[:-1] for column in columns))

    @cached_property
    def by_layer(self) -> LayerTotals:
        """What the tasks of each layer do together."""
        work, layer = self.work, self.tasks.layer[:-1]
        totals = np.zeros((3, len(self.program.layers) + 1), np.int64)
        moved = work.read_bytes + work.written_bytes
        for line, amount in zip(totals, (work.macs, work.array_cycles, moved), strict=True):
            np.add.at(line, layer, amount)
        return LayerTotals(*totals.tolist())

    @cached_property
    def roof(self) -> roofline.Roof:
        return roofline.roof(self.design)

    @cached_property
    def roofline(self) -> list[roofline.LayerPoint]:
        seconds = (self.breakdown.layer_ps * 1e-12).tolist()
        of = self.by_layer
        return roofline.roofline(self.roof, self.program.layers, of.macs, of.dram_bytes, seconds)


def analyse(
    program: Program,
    design: Design,
    source: Source,
    makespan_ps: int,
    commands: Commands | None = None,
) -> Analysis:
    """The analysis of a whole timeline; `commands` of a DRAM that was served burst by burst."""
    return Analysis(program, design, source, makespan_ps, commands)


def summarise(analysis: Analysis) -> dict[str, Any]:
    """Every answer of a run in plain data; keys name their unit."""
    makespan = analysis.makespan_ps
    period = analysis.design.clock(analysis.design.array.clock).period_ps
    total_pj = analysis.energy.total_pj
    return {
        "latency_s": makespan / PER_SECOND,
        "makespan_ps": makespan,
        "cycles": -(-makespan // period),
        "clock_hz": analysis.design.clock(analysis.design.array.clock).frequency_hz,
        "macs": sum(analysis.by_layer.macs),
        "energy_j": total_pj / PER_SECOND,
        "energy_by_component_j": _in_seconds(analysis.energy.by_component),
        "energy_by_role_j": _in_seconds(analysis.energy.by_role),
        "energy_by_layer_j": _in_seconds(analysis.energy.by_layer),
        "average_power_w": _average_power(analysis) / 1e3,
        "peak_power_w": _peak_power(analysis) / 1e3,
        "power_budget_w": _watts(analysis.design.power.budget_mw),
        "power_policy": governor_summary(analysis.program, analysis.governor),
        **_traffic(analysis),
        **_dram(analysis),
        **_memory(analysis),
        "breakdown": _in_seconds(analysis.breakdown.by_cause),
        "breakdown_ps": analysis.breakdown.by_cause,
        "waited_for_power_s": _in_seconds(analysis.breakdown.waited_for_power_ps),
        "layers": _layers(analysis, period),
        "components": _components(analysis),
        "utilisation": _utilisation(analysis),
        "roofline": _roofline(analysis),
        "fallbacks": dict(_facts(analysis, "fallbacks")),
        **_pipeline(analysis),
        "assumptions": list(analysis.design.assumptions),
    }


def _pipeline(analysis: Analysis) -> dict[str, Any]:
    """The engines of a dataflow pipeline as built; nothing for other machines."""
    pipeline = analysis.design.pipeline
    if pipeline is None:
        return {}
    board = pipeline.board
    return {
        "pipeline": {
            **_facts(analysis, "pipeline"),
            "board": None if board is None else vars(board),
            "engines": {
                unit.name: {
                    "kind": unit.kind, "simd": unit.simd, "pe": unit.pe,
                    "cycles_per_image": unit.cycles_per_image, **vars(unit.resources),
                }
                for unit in pipeline.units
            },
        }
    }  # fmt: skip


def _facts(analysis: Analysis, key: str) -> Mapping[str, Any]:
    value = analysis.program.facts.get(key)
    return value if isinstance(value, Mapping) else {}


def _watts(milliwatts: float | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1e3


def _in_seconds(amounts: Mapping[str, float]) -> dict[str, float]:
    """Picoseconds to seconds, or picojoules to joules."""
    return {name: amount / PER_SECOND for name, amount in amounts.items()}


def _average_power(analysis: Analysis) -> float:
    """Milliwatts of accelerator and DRAM, and under a governor of what feeds them."""
    if not analysis.makespan_ps:
        return analysis.program.static_mw
    if analysis.governor is not None or analysis.commands is not None:
        inside = analysis.energy.total_pj - analysis.energy.by_component.get("host", 0.0)
        return 1e3 * inside / analysis.makespan_ps
    spent = float((analysis.task_counts * analysis.tasks.domain_energy_pj[:-1]).sum())
    # 1 pJ in 1 ps is 1 W
    return analysis.program.static_mw + 1e3 * spent / analysis.makespan_ps


def _peak_power(analysis: Analysis) -> float:
    """Most milliwatts of the power counter, or of a governor's samples where these are more.

    The counter has static power as the design states it, the samples as it was at the temperature.
    """
    sampled = analysis.governor.samples.get(SAMPLED_POWER, []) if analysis.governor else []
    return max([analysis.peaks["power"], *sampled])


def _traffic(analysis: Analysis) -> dict[str, Any]:
    roles, role = analysis.tasks.roles

    def by_role(size: Integers) -> dict[str, int]:
        totals = np.zeros(len(roles), np.int64)
        np.add.at(totals, role, size)
        return {name: amount for name, amount in zip(roles, totals.tolist(), strict=True) if amount}

    read, written = by_role(analysis.work.read_bytes), by_role(analysis.work.written_bytes)
    total = sum(read.values()) + sum(written.values())
    makespan = analysis.makespan_ps
    return {
        "dram_bytes": total,
        "dram_read_bytes_by_role": read,
        "dram_written_bytes_by_role": written,
        "peak_dram_bandwidth_bytes_per_s": analysis.peaks["DRAM bandwidth"],
        "average_dram_bandwidth_bytes_per_s": total * PER_SECOND / makespan if makespan else 0.0,
    }


def _dram(analysis: Analysis) -> dict[str, Any]:
    """What the channel counted, where it was served burst by burst."""
    commands, part = analysis.commands, analysis.design.dram.sheet
    if commands is None or part is None:
        return {}
    bursts = commands.reads + commands.writes
    return {
        "dram_commands": vars(commands),
        "dram_row_hit_rate": commands.row_hits / bursts if bursts else 0.0,
        "dram_burst_bytes": bursts * part.burst_bytes,
        "dram_energy_by_command_j": _in_seconds(commands.energy_pj(part)),
    }


def _memory(analysis: Analysis) -> dict[str, Any]:
    facts = _facts(analysis, "memory")
    sizes = {buffer.name: buffer.size_bytes for buffer in analysis.design.buffers}
    return {
        "peak_memory_bytes": int(facts.get("peak_bytes", 0)),
        "peak_memory_by_role_bytes": dict(facts.get("by_role", {})),
        "peak_memory_layer": _peak_layer(analysis, facts),
        "buffers": {
            buffer.name: {
                "peak_bytes": int(analysis.peaks[f"buffer {buffer.name}"]),
                "size_bytes": sizes.get(buffer.name),
            }
            for buffer in analysis.counters.buffers
        },
    }


def _peak_layer(analysis: Analysis, facts: Mapping[str, Any]) -> str:
    layers, group = analysis.program.layers, int(facts.get("peak_group", -1))
    return layers[group] if 0 <= group < len(layers) else ""


def _layers(analysis: Analysis, period: int) -> dict[str, Any]:
    """Share of the critical path of every layer; they sum to the latency."""
    names = [*analysis.program.layers, NO_LAYER]
    phases: Any = analysis.program.facts.get("phases") or []
    phase = [*map(str, phases[: len(names)]), *[""] * (len(names) - len(phases))]
    on_chip = analysis.energy.on_chip
    # what is drawn always, shared out by time
    always = on_chip.get(ALWAYS, 0.0) / max(1, analysis.makespan_ps)
    totals = analysis.breakdown.layer_ps.tolist()
    if not totals[-1]:
        del names[-1]
    return {
        name: {
            "seconds": total / PER_SECOND,
            "cycles": total / period,
            "array_cycles": array,
            "dram_bytes": moved,
            "chip_energy_j": (on_chip.get(name, 0.0) + always * total) / PER_SECOND,
            "phase": of_phase,
            "breakdown_ps": times,
        }
        for name, total, array, moved, of_phase, times in zip(
            names, totals, analysis.by_layer.array_cycles, analysis.by_layer.dram_bytes,
            phase, _times_by_label(analysis.breakdown), strict=False,
        )
    }  # fmt: skip


def _times_by_label(breakdown: Breakdown) -> list[dict[str, int]]:
    """Picoseconds of every label that occurs, by layer."""
    found: list[dict[str, int]] = [{} for _ in breakdown.by_layer]
    layer, label = breakdown.by_layer.nonzero()
    times = breakdown.by_layer[layer, label].tolist()
    for of, which, time in zip(layer.tolist(), label.tolist(), times, strict=True):
        found[of][LABELS[which]] = time
    return found


def _components(analysis: Analysis) -> dict[str, Any]:
    return {
        part.name: {
            "kind": part.kind,
            "intervals": part.rows,
            "busy_s": part.busy_ps / PER_SECOND,
            "idle_s": _in_seconds(part.idle_ps),
        }
        for part in analysis.components
    }


def _utilisation(analysis: Analysis) -> dict[str, float]:
    """Array: multiply-accumulates over those of a full array; others: busy over the run's time."""
    makespan = analysis.makespan_ps or 1
    result = {part.name: part.busy_ps / makespan for part in analysis.components}
    macs = np.where(analysis.work.array_cycles > 0, analysis.work.macs, 0)
    of_task = None
    if len(analysis.design.others):
        arrays: Any = analysis.program.facts.get("arrays") or []
        of_task = np.array([*arrays, ""])[analysis.tasks.layer[:-1]]
    for array in analysis.design.arrays:
        if array.name in result:
            own = macs if of_task is None else macs[of_task == array.name]
            cycles = makespan / analysis.design.clock(array.clock).period_ps
            result[array.name] = int(own.sum()) / (array.macs_per_cycle * cycles)
    return result


def _roofline(analysis: Analysis) -> dict[str, Any]:
    over = analysis.roof
    return {
        "peak_macs_per_s": over.peak_macs_per_s,
        "bandwidth_bytes_per_s": over.bandwidth_bytes_per_s,
        "layers": {
            point.name: {
                "macs": point.macs,
                "dram_bytes": point.dram_bytes,
                "attained_macs_per_s": point.attained,
                "attainable_macs_per_s": point.attainable,
            }
            for point in analysis.roofline
        },
    }
