"""Run folders of a sweep's points, for those who want the timelines and not only the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cosim.analysis.summary import analyse, summarise
from cosim.explore.manifest import manifest_of
from cosim.machine.execute import RunResult
from cosim.machine.program_file import program_to_data
from cosim.mapping.template import AnyMapping
from cosim.timeline.run_folder import write_run

if TYPE_CHECKING:
    from cosim.explore.worker import Job


def keep_run(job: Job, mapping: AnyMapping, result: RunResult) -> None:
    """Write the run folder of a point."""
    analysis = analyse(
        mapping.program, mapping.design, result.timeline, result.makespan_ps, result.dram
    )
    names = {
        "workload": job.manifest.get("workload", mapping.workload.name),
        "design": job.manifest.get("design", mapping.design.name),
    }
    manifest = {**job.manifest, **manifest_of(mapping, result, **names)}
    manifest["design"] |= manifest.pop("made_of", {})
    write_run(
        Path(job.folder),
        result.timeline,
        program=program_to_data(mapping.program),
        manifest=manifest,
        summary={**names, **summarise(analysis)},
    )
