"""Energy of a run by component, by tensor role and by layer.

Dynamic energy is that of each task (`cosim.mapping.energy`), counted by template; static power of
logic and memories and the DRAM's background power are drawn for the whole run. The host's energy
is listed beside the accelerator's: it is outside the power domain and its budget.

A DRAM that was served burst by burst has counted its commands: what activates, reads and writes
took is shared among tensor roles by the bits they moved, and standby follows the time with rows
open and closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.distinct_rows import Source, distinct_rows
from cosim.analysis.task_table import Integers, Numbers, TaskTable
from cosim.design.design import Design
from cosim.design.dram_part import DramPart
from cosim.design.power import AJ_PER_PJ
from cosim.machine.dram.energy import Commands
from cosim.mapping.program import Program
from cosim.timeline.governor_log import GovernorLog

NO_LAYER = "(no layer)"
ALWAYS = "(static and standby)"
DRAM_BACKGROUND = "DRAM background"
"""What standby and refresh are spent on."""


OFF_CHIP = ("dram", "host")


@dataclass(frozen=True)
class Energy:
    """Picojoules: by component, by what they were spent on, by layer; each sums to `total_pj`.

    Roles are those of the tensors moved; beside them stand ``operations``, ``static`` and ``DRAM
    background``. What is drawn whatever runs belongs to no layer and is listed as `ALWAYS`.
    """

    by_component: dict[str, float]
    by_role: dict[str, float]
    by_layer: dict[str, float]
    on_chip: dict[str, float]
    """Of `by_layer`, what neither the DRAM nor the host spent."""

    @property
    def total_pj(self) -> float:
        return sum(self.by_component.values())


def task_counts(program: Program, source: Source) -> Integers:
    """Tasks executed of every template, shape (n_templates,)."""
    run = distinct_rows(program, source)
    counts = np.zeros(len(program.templates) + 1, np.int64)
    np.add.at(counts, run.template, run.first_count)
    return counts[:-1]


def energy(
    program: Program,
    design: Design,
    counts: Integers | Numbers,
    makespan_ps: int,
    tasks: TaskTable | None = None,
    commands: Commands | None = None,
    governor: GovernorLog | None = None,
) -> Energy:
    """Energy of `counts` tasks of each template and of the time they took together.

    Parameters
    ----------
    commands : Commands, optional
        What a DRAM channel that was served burst by burst has done.
    governor : GovernorLog, optional
        Knows what static power made of voltage and temperature, and what was lost between a store
        and the machine.
    """
    tasks = tasks or TaskTable(program)
    entries = tasks.energy_entries
    each = entries.picojoules * counts[entries.template]
    layers = [*program.layers, NO_LAYER]
    layer = np.where(tasks.layer < 0, len(layers) - 1, tasks.layer)[entries.template]
    cells = len(entries.things) * len(layers)
    totals = np.bincount(entries.thing * len(layers) + layer, each, cells)
    spent = totals.reshape(len(entries.things), len(layers)).astype(np.float64, copy=False)
    # 1 mW for 1 ps is 1e-3 pJ
    always = static_shares(program, design)
    standing = [(part, why, milliwatts * makespan_ps * 1e-3) for part, why, milliwatts in always]
    if commands is not None and design.dram.sheet is not None:
        standing = [entry for entry in standing if entry[1] != DRAM_BACKGROUND]
        mine = np.array([component == "dram" for component, _ in entries.things], bool)
        standing += _count_commands(spent, mine, commands, design.dram.sheet)
    if governor is not None:
        standing = _as_governed(program, standing, makespan_ps, governor)
        inside = np.array([component != "host" for component, _ in entries.things], bool)
        standing += _supply_losses(float(spent[inside].sum()), governor)
    by_thing = spent.sum(axis=1).tolist()
    on_chip = [place for place, (name, _) in enumerate(entries.things) if name not in OFF_CHIP]
    found = Energy(
        _sums([name for name, _ in entries.things], by_thing),
        _sums([role for _, role in entries.things], by_thing),
        _sums(layers, spent.sum(axis=0).tolist()),
        _sums(layers, spent[on_chip].sum(axis=0).tolist()),
    )
    for component, purpose, amount in standing:
        _add(found.by_component, component, amount)
        _add(found.by_role, purpose, amount)
        _add(found.by_layer, ALWAYS, amount)
        if component not in OFF_CHIP:
            _add(found.on_chip, ALWAYS, amount)
    return found


def _sums(names: list[str], amounts: list[float]) -> dict[str, float]:
    """What each name has altogether, without those that have nothing."""
    totals: dict[str, float] = {}
    for name, amount in zip(names, amounts, strict=True):
        if amount:
            totals[name] = totals.get(name, 0.0) + amount
    return totals


def _add(totals: dict[str, float], name: str, amount: float) -> None:
    if amount:
        totals[name] = totals.get(name, 0.0) + amount


def _as_governed(
    program: Program,
    standing: list[tuple[str, str, float]],
    makespan_ps: int,
    governor: GovernorLog,
) -> list[tuple[str, str, float]]:
    """Static energy at the voltages and temperatures that there were, or while the machine was on.

    It is shared as the design's own is.
    """
    nominal = program.static_mw * makespan_ps * 1e-3
    factor = governor.totals["static"] / AJ_PER_PJ / nominal if nominal else 1.0
    return [(part, why, amount * factor) for part, why, amount in standing]


def _supply_losses(inside_pj: float, governor: GovernorLog) -> list[tuple[str, str, float]]:
    """What a store gave beyond what tasks used: regulator, checkpoints, restores."""
    if "checkpoints" not in governor.totals:
        return []
    lost = governor.totals["tasks"] / AJ_PER_PJ - inside_pj
    return [
        ("power supply", "regulator", lost),
        *(
            ("power supply", purpose, governor.totals[purpose] / AJ_PER_PJ)
            for purpose in ("checkpoints", "restores", "lost work")
        ),
    ]


def _count_commands(
    spent: Numbers, mine: NDArray[np.bool_], commands: Commands, part: DramPart
) -> list[tuple[str, str, float]]:
    """Scale what tasks spent on the DRAM to what its commands took.

    Returns
    -------
    list of (component, purpose, picojoules)
        What no task spent: the host's traffic, standby and refresh.
    """
    taken = commands.energy_pj(part)
    traffic = taken["activate"] + taken["read"] + taken["write"]
    host = traffic * commands.background_bursts / max(1, commands.reads + commands.writes)
    closed_form = float(spent[mine].sum())
    if closed_form:
        spent[mine] *= (traffic - host) / closed_form
    else:
        host = traffic
    standing = taken["refresh"] + taken["background"]
    return [("dram", "host traffic", host), ("dram", DRAM_BACKGROUND, standing)]


def static_shares(program: Program, design: Design) -> list[tuple[str, str, float]]:
    """(component, purpose, milliwatts) of all that is drawn whatever happens.

    What the program draws beyond the shares known from the design counts as logic.
    """
    shares = [(f"buffer {buffer.name}", "static", buffer.static_mw) for buffer in design.buffers]
    shares.append(("dram", DRAM_BACKGROUND, design.dram.background_mw))
    known = sum(share[2] for share in shares)
    shares.append(("logic", "static", max(0.0, program.static_mw - known)))
    return shares
