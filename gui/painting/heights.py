"""How high a panel must at least be to be read; a widget scrolls what has less room."""

from __future__ import annotations

from math import ceil, sqrt

from gui.painting.scene import Stores
from gui.views.counter_store import Counter
from gui.views.run_data import BESIDE_POWER, Run

_LEAST = {"memory": 270.0, "machine": 250.0, "roofline": 230.0, "designs": 230.0,
          "parallel": 210.0}  # fmt: skip

ALIGNED_TOP, ALIGNED_LANE = 72.0, 18.0
ALIGNED_RUN = 34.0
"""Band of layers and gap of one run among aligned ones."""

ENERGY_ROW = 16.0
COUNTER_ROW = 78.0
PIPELINE_ROW = 44.0
MEMORY_STRIP = 30.0


def strips_of(run: Run) -> list[Counter]:
    """The counters below the memory map: every buffer, and what the DRAM moves."""
    counters = run.counters if run.has("counters") else {}
    return [c for name, c in counters.items()
            if name.startswith("buffer ") or name == "DRAM bandwidth"]  # fmt: skip


def least_height(panel: str, stores: Stores) -> float:
    """Pixels below which a panel's picture would not be legible."""
    run = stores.run
    if panel == "aligned":
        lanes = sum(s.lane.group in ("engines", "DMA") for r in stores.runs
                    for s in r.intervals.lanes)  # fmt: skip
        return ALIGNED_TOP + ALIGNED_RUN * len(stores.runs) + ALIGNED_LANE * lanes
    if run is None:
        return 0.0
    if panel == "power":
        counters = run.counters if run.has("counters") else ()
        return 196.0 + COUNTER_ROW * sum(name in counters for name in BESIDE_POWER)
    if panel == "energy":
        splits = (run.summary.get(f"energy_by_{split}_j", ()) for split in ("component", "role"))
        return 76.0 + ENERGY_ROW * max(len(split) for split in splits)
    if panel == "machine" and run.design.pipeline is not None:
        rows = ceil(sqrt(len(run.intervals.lanes) / 1.4))
        return max(_LEAST[panel], 96.0 + PIPELINE_ROW * rows)
    strips = MEMORY_STRIP * len(strips_of(run)) if panel == "memory" else 0.0
    return _LEAST.get(panel, 0.0) + strips
