"""What a task of a kept run reads and writes: regions, and the numbers in them on request.

A run folder holds no mapping; it is made again from the workload and the design that the manifest
names, and must give the program that was run. The numbers come from carrying the run out up to the
task (`cosim.machine.values`) beside PyTorch's, which the cache has if they were asked for before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.explore.value_reference import ValueOptions, ValueReference
from cosim.machine.program_file import program_to_data
from cosim.machine.values.faults import Mismatch, ValueFault
from cosim.machine.values.inspect import Inspection, TileValues
from cosim.machine.values.pipeline.inspect import PipelineInspection
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.template import map_design
from cosim.timeline.run_folder import load_run
from cosim.workload.networks import load_or_capture
from cosim.workload.reference import Reference
from gui.views.design_values import design_from_values

WINDOW = 32
"""Rows and columns of a tile that are sent to be shown; the rest is told in words."""

Progress = Callable[[float, str], None]
"""Told how much of the work is done, 0 to 1, and what is going on."""


class ValueInspection:
    """The tasks of one run folder.

    Raises
    ------
    CosimError
        A folder that holds no run, or one that cannot be mapped again.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self._tell = progress or (lambda part, what: None)
        self._tell(0.0, "mapping the network again")
        folder = load_run(path)
        self.timeline = folder.timeline
        described = folder.manifest.get("workload", {})
        source = described.get("source", {})
        if not source.get("network"):
            raise CosimError("the run does not say which network it ran", where=str(path))
        workload = load_or_capture(
            source["network"], source.get("options") or {}, mode=described.get("mode", "inference"),
            batch=int(described.get("batch", 1)), optimizer=source.get("optimizer") or "sgd",
        )  # fmt: skip
        self.workload = replace(workload, name=str(described.get("name", workload.name)))
        design = design_from_values(folder.manifest.get("design", {}).get("values") or {})
        mapping = map_design(self.workload, design)
        if json.loads(json.dumps(program_to_data(mapping.program))) != folder.program:
            raise CosimError(
                "the network is mapped otherwise than when this run was made",
                where=str(path), expected="a run of this version of the program",
            )  # fmt: skip
        self.mapping = mapping
        pipeline = isinstance(mapping, PipelineMapping)
        self.inspection = PipelineInspection(mapping) if pipeline else Inspection(mapping)

    @cached_property
    def reference(self) -> Reference:
        """What PyTorch makes of one made-up input, as the machine's memory holds it."""
        self._tell(0.0, "asking PyTorch, unless the cache knows")
        return ValueReference(self.workload, ValueOptions()).of_machine(self.mapping, 0, 1)

    def task(self, component: str, ordinal: int) -> dict[str, Any]:
        """Layer, activity, loops of the tile, regions and tiles; see `Inspection.task`."""
        return self.inspection.task(component, ordinal)

    def values(self, component: str, ordinal: int) -> dict[str, Any]:
        """The numbers of a task, and how they agree with PyTorch's.

        Returns
        -------
        dict
            ``tiles``, see `tile_data`; ``fault``: what went wrong before the task, or empty.
        """
        reference = self.reference

        def told(step: int, total: int) -> None:
            self._tell(step / total, "carrying the run out in numbers")

        try:
            tiles = self.inspection.tiles(component, ordinal, self.timeline, reference, told)
        except (ValueFault, Mismatch) as fault:
            return {"tiles": [], "fault": str(fault)}
        return {"tiles": [tile_data(tile) for tile in tiles], "fault": ""}


def tile_data(tile: TileValues) -> dict[str, Any]:
    """A tile of the first sample as plain data.

    ``rows`` are its first `WINDOW` x `WINDOW` elements, all dimensions but the last along the rows;
    ``wrong`` is 1 where one is not PyTorch's. ``differing`` counts those of all elements, None
    where PyTorch has nothing beside it (partial sums).
    """
    values = np.asarray(tile.values[0])
    columns = values.shape[-1] if values.ndim > 1 else values.size
    columns = max(1, columns)
    if values.ndim <= 1 and columns > WINDOW:
        columns = WINDOW  # a stretch of memory, folded
    flat = values.reshape(-1)
    shown = _window(flat, columns)
    expected = None if tile.expected is None else np.asarray(tile.expected[0])
    wrong, largest = [], 0.0
    if expected is not None:
        with np.errstate(invalid="ignore"):
            apart = ~((values == expected) | (np.isnan(values) & np.isnan(expected)))
            difference = np.abs(values.astype(np.float64) - expected)
        largest = float(np.nan_to_num(difference).max(initial=0.0))
        wrong = _window(apart.reshape(-1).astype(int), columns)
    finite = flat[np.isfinite(flat)].astype(np.float64)
    return {
        "name": tile.name,
        "buffer": tile.slot.buffer if tile.slot is not None else "resident",
        "shape": list(values.shape),
        "rows": shown,
        "of": [-(-flat.size // columns), columns],
        "whole": values.dtype.kind != "f",
        "least": float(finite.min(initial=np.inf)) if finite.size else 0.0,
        "most": float(finite.max(initial=-np.inf)) if finite.size else 0.0,
        "elements": prod(values.shape),
        "differing": tile.differing,
        "largest_difference": largest,
        "wrong": wrong,
    }


def _window(flat: Any, columns: int) -> list[list[Any]]:
    """The first rows and columns of elements laid out in rows."""
    rows = [flat[at : at + columns][:WINDOW] for at in range(0, flat.size, columns)][:WINDOW]
    return [row.tolist() for row in rows]


def agreement(tile: dict[str, Any]) -> str:
    """How a tile agrees with PyTorch's, in words."""
    if tile["differing"] is None:
        return "partial sums: PyTorch has nothing to hold them against"
    if not tile["differing"]:
        return f"all {tile['elements']:,} elements equal PyTorch's"
    if tile["whole"]:
        return f"{tile['differing']:,} of {tile['elements']:,} elements are not PyTorch's"
    return (
        f"{tile['differing']:,} of {tile['elements']:,} elements differ in their last bits, by "
        f"{tile['largest_difference']:.2g} at most: added up in another order"
    )
