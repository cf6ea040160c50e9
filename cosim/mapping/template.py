"""Maps a workload onto a design of either template: a shared engine, or a pipeline of engines."""

from __future__ import annotations

from cosim.design.design import Design
from cosim.mapping.mapping import Mapping, map_workload
from cosim.mapping.pipeline.mapping import PipelineMapping, map_pipeline
from cosim.workload.workload import Workload

AnyMapping = Mapping | PipelineMapping
"""What either template gives: a `workload`, the `design` as built, and its `program`."""


def map_design(workload: Workload, design: Design) -> AnyMapping:
    """Map `workload` onto `design`.

    Raises
    ------
    CosimError
        See `map_workload` and `map_pipeline`.
    """
    if design.pipeline is not None:
        return map_pipeline(workload, design)
    return map_workload(workload, design)
