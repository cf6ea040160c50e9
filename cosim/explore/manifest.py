"""What a run folder says of the run it holds, the same for a scenario's points and a sweep's."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cosim.design as designs
from cosim import __version__
from cosim.design.document import read_document
from cosim.explore.keys import design_hash
from cosim.explore.scenario import DesignEntry
from cosim.machine.execute import RunResult
from cosim.mapping.template import AnyMapping
from cosim.workload.files import workload_hash


def design_source(entry: DesignEntry) -> dict[str, Any]:
    """What a design was made of, to make it again with something changed.

    A board of the catalogue is known by its name; of a file the whole text is kept, for the file
    may change, or be elsewhere.
    """
    named = {"base": Path(entry.base).name, "overrides": dict(entry.overrides)}
    if entry.document is None and entry.base in designs.names():
        return named
    return {**named, "document": read_document(entry.source).as_data()}


def manifest_of(
    mapping: AnyMapping, result: RunResult, workload: object, design: object
) -> dict[str, Any]:
    """What was run and how, JSON-able.

    Parameters
    ----------
    workload, design : names under which the point is known.
    """
    return {
        "workload": {
            "name": workload,
            "hash": workload_hash(mapping.workload),
            "mode": mapping.workload.mode,
            "batch": mapping.workload.batch,
            "source": mapping.workload.source,
        },
        "design": {
            "name": design,
            "hash": design_hash(mapping.design),
            "values": asdict(mapping.design),
        },
        "facts": dict(mapping.program.facts),
        "executor": result.executor,
        "tasks_simulated": result.tasks_simulated,
        "tasks_skipped": result.tasks_skipped,
        "why_not_skipped": result.why_not_skipped,
        "makespan_ps": result.makespan_ps,
        "version": __version__,
        "seed": None,
    }
