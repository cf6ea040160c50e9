"""Runs one job in a process of its own: ``python -m gui.job`` with the job as JSON on its input.

Progress and results are lines of JSON on the output, at most twenty a second::

    {"progress": 0.4, "what": "lenet5 / ultra96"}
    {"run": "/folder/of/a/run"}
    {"failed": "lenet5 / tiny", "why": "one line"}
    {"error": "one line"}

A process that is killed leaves no half-written run: folders are renamed when complete.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cosim.errors import CosimError

SHORTEST_PAUSE_S = 0.05


def tell(**line: Any) -> None:
    """Write one line."""
    print(json.dumps(line), flush=True)


class Teller:
    """Progress of a scenario as lines, not more of them than a screen can show."""

    def __init__(self) -> None:
        self._points, self._done, self._last = 1, 0, 0.0

    def start(self, points: int) -> None:
        self._points = max(1, points)
        tell(progress=0.0, what="capturing the network")

    def step(self, name: str, part: float) -> None:
        now = time.monotonic()
        if now - self._last >= SHORTEST_PAUSE_S:
            self._last = now
            tell(progress=(self._done + part) / self._points, what=name)

    def done(self, name: str) -> None:
        self._done += 1
        tell(progress=self._done / self._points, what=name)

    def __getattr__(self, name: str) -> Any:
        # what later versions tell as well
        return lambda *_args, **_kwargs: None


def run_job(job: dict[str, Any]) -> None:
    """Run a job and tell what comes of it.

    Raises
    ------
    CosimError
        If it cannot be run.
    """
    from cosim.explore.run_scenario import run_scenario

    scenario, points = _scenario(job)
    out = Path(job["out"])
    result = run_scenario(scenario, points, out, progress=Teller(), command="cosim gui")
    for kept in result.results:
        tell(run=str(kept.run_dir))
    for failure in result.failures:
        tell(failed=failure.point.name, why=str(failure.error))


def _scenario(job: dict[str, Any]) -> tuple[Any, Sequence[Any]]:
    from cosim.design.document import document_from
    from cosim.explore.scenario import DesignEntry, Point, Scenario, WorkloadEntry, select
    from cosim.explore.scenario_file import read_scenario

    if job["scenario"]:
        scenario = read_scenario(job["scenario"])
        points = scenario.points()
        return scenario, select(points, job["only"]) if job["only"] else points
    workload, design = job["workload"], job["design"]
    entry = WorkloadEntry(**{**workload, "where": "what-if"})
    written = design.get("document")
    machine = DesignEntry(
        design["name"], design["base"], design["overrides"], "what-if",
        document=document_from(written) if written else None,
    )  # fmt: skip
    machine.load()  # says what is wrong before anything is captured
    scenario = Scenario("what-if", "", "", (entry,), (machine,))
    return scenario, [Point(entry, machine)]


def main() -> int:
    try:
        # cancelling the program must not leave its simulations behind
        run_job(json.loads(sys.stdin.read()))
    except CosimError as error:
        tell(error=str(error))
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        import traceback

        traceback.print_exc()
        tell(error=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
