"""Run folders of a sweep's points, for those who want the timelines and not only the numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cosim import __version__
from cosim.analysis.summary import analyse, summarise
from cosim.explore.keys import design_hash
from cosim.machine.execute import RunResult
from cosim.machine.program_file import program_to_data
from cosim.mapping.mapping import Mapping
from cosim.timeline.run_folder import write_run
from cosim.workload.files import workload_hash

if TYPE_CHECKING:
    from cosim.explore.worker import Job


def keep_run(job: Job, mapping: Mapping, result: RunResult) -> None:
    """Write the run folder of a point."""
    analysis = analyse(mapping.program, mapping.design, result.timeline, result.makespan_ps)
    names = {
        "workload": job.manifest.get("workload", mapping.workload.name),
        "design": job.manifest.get("design", mapping.design.name),
    }
    manifest = {
        **job.manifest,
        "workload": {
            "name": names["workload"],
            "hash": workload_hash(mapping.workload),
            "mode": mapping.workload.mode,
            "batch": mapping.workload.batch,
            "source": mapping.workload.source,
        },
        "design": {
            "name": names["design"],
            "hash": design_hash(mapping.design),
            "values": asdict(mapping.design),
        },
        "facts": dict(mapping.program.facts),
        "executor": result.executor,
        "makespan_ps": result.makespan_ps,
        "version": __version__,
        "seed": None,
    }
    write_run(
        Path(job.folder),
        result.timeline,
        program=program_to_data(mapping.program),
        manifest=manifest,
        summary={**names, **summarise(analysis)},
    )
