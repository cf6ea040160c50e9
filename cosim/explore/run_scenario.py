"""Runs every point of a scenario and keeps a run folder for each.

A point that cannot run (an operator nothing can map, a power budget below static power) is
recorded with its reason, and the others go on: its folder is not written, and one that an earlier
run left there is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cosim.analysis.summary import Analysis, analyse, summarise
from cosim.errors import CosimError
from cosim.explore.manifest import design_source, manifest_of
from cosim.explore.notebook import html_table
from cosim.explore.scenario import Point, Scenario, WorkloadEntry
from cosim.machine.program_file import program_to_data
from cosim.simulate import Simulation, simulate
from cosim.timeline.run_folder import write_run
from cosim.workload.files import load_workload
from cosim.workload.workload import Workload
from cosim.workload.zeros import with_zeros

if TYPE_CHECKING:
    from cosim.explore.value_reference import ValueOptions


class Progress(Protocol):
    """What is told while a scenario runs."""

    def start(self, points: int) -> None:
        """So many points will run."""

    def step(self, name: str, part: float) -> None:
        """The point called `name` runs; `part` of it, 0 to 1, is done."""

    def done(self, name: str) -> None:
        """The point called `name` is done, or could not run."""


class Silent:
    """Progress nobody looks at."""

    def start(self, points: int) -> None:
        pass

    def step(self, name: str, part: float) -> None:
        pass

    def done(self, name: str) -> None:
        pass


@dataclass(frozen=True)
class PointResult:
    """A point that has run.

    Attributes
    ----------
    summary : dict
        As kept in ``summary.json``.
    run_dir : Path
        Its run folder.
    """

    point: Point
    simulation: Simulation
    analysis: Analysis
    summary: dict[str, Any]
    run_dir: Path


@dataclass(frozen=True)
class Failure:
    """A point that could not run, and why."""

    point: Point
    error: CosimError


@dataclass(frozen=True)
class ScenarioResult:
    """All points of a scenario, in its order."""

    scenario: Scenario
    out: Path
    results: tuple[PointResult, ...]
    failures: tuple[Failure, ...]

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} that could not run" if self.failures else ""
        return f"<{len(self.results)} runs of {self.scenario.name} in {self.out}{failed}>"

    def _repr_html_(self) -> str:
        """The runs as a table, for notebooks."""
        columns = ("latency_s", "energy_j", "average_power_w", "dram_bytes", "peak_memory_bytes")
        rows = [
            [r.point.workload.name, r.point.design.name, *(r.summary[c] for c in columns)]
            for r in self.results
        ]
        return html_table(repr(self).strip("<>"), ["workload", "design", *columns], rows)

    def as_data(self) -> dict[str, Any]:
        """The answers for machines: ``{"runs": [...], "failed": [...]}``."""
        data: dict[str, Any] = {"runs": [_as_data(result) for result in self.results]}
        if self.failures:
            data["failed"] = [
                {
                    "workload": failure.point.workload.name,
                    "design": failure.point.design.name,
                    "reason": str(failure.error),
                }
                for failure in self.failures
            ]
        return data


def run_scenario(
    scenario: Scenario,
    points: Sequence[Point],
    out: Path,
    *,
    executor: str = "auto",
    progress: Progress | None = None,
    command: str = "",
    values: ValueOptions | None = None,
    warn: Callable[[str], None] | None = None,
) -> ScenarioResult:
    """Run `points` of `scenario`, keeping each in ``out/<workload>/<design>``.

    Parameters
    ----------
    executor : str
        One of `cosim.machine.execute.EXECUTORS`.
    command : str
        Kept in the manifests: how this came about.
    values : ValueOptions, optional
        Carry every run out in numbers, see `cosim.explore.value_run`.
    warn : callable, optional
        Told a line about what may go wrong, before it does.

    Raises
    ------
    CosimError
        A workload that cannot be had, a folder that cannot be written. Points that cannot run are
        failures of the result.
    """
    watch = progress or Silent()
    watch.start(len(points))
    workloads = WorkloadStore()
    for point in points:  # all networks are captured before anything is written
        workloads.get(point.workload)
    results: list[PointResult] = []
    failures: list[Failure] = []
    for point in points:
        watch.step(point.name, 0.0)
        try:
            simulation = _simulated(point, workloads.get(point.workload), executor, watch)
            computed = _computed(point, simulation, values, watch, warn)
        except CosimError as error:
            failures.append(Failure(point, error))
        else:
            folder = out / point.folder
            results.append(_kept(point, simulation, folder, scenario, command, computed))
        watch.done(point.name)
    return ScenarioResult(scenario, out, tuple(results), tuple(failures))


class WorkloadStore:
    """Workloads of a scenario's entries, each loaded or captured once."""

    def __init__(self) -> None:
        self._captured: dict[tuple[object, ...], Workload] = {}
        self._named: dict[str, Workload] = {}

    def get(self, entry: WorkloadEntry) -> Workload:
        """The workload of `entry`, under the entry's name; the same object every time.

        Mapping remembers what it knows of a workload as long as the object lives.
        """
        if entry.name not in self._named:
            key = entry.capture_key()
            if key not in self._captured:
                self._captured[key] = self.load(entry)
            self._named[entry.name] = replace(self._captured[key], name=entry.name)
        return self._named[entry.name]

    def load(self, entry: WorkloadEntry) -> Workload:
        """The workload of `entry`, without remembering it.

        Raises
        ------
        CosimError
            If it cannot be had.
        """
        return _load(entry)


def _load(entry: WorkloadEntry) -> Workload:
    found = _loaded(entry)
    if not entry.zeros:
        return found
    try:
        return with_zeros(found, entry.zeros)
    except CosimError as error:
        raise error.at(entry.where) from None


def _loaded(entry: WorkloadEntry) -> Workload:
    try:
        if entry.file is not None:
            return load_workload(entry.file)
        from cosim.workload.networks import load_or_capture

        return load_or_capture(
            entry.network,
            entry.options,
            mode=entry.mode,
            batch=entry.batch,
            optimizer=entry.optimizer,
        )
    except CosimError as error:
        raise error.at(entry.where) if entry.where not in str(error) else error from None
    except ValueError as error:
        if type(error).__name__ != "ModelError":
            raise
        # `models` knows nothing of cosim's errors; its message lacks only the place
        raise CosimError(str(error), where=entry.where) from None


def _simulated(point: Point, workload: Workload, executor: str, watch: Progress) -> Simulation:
    def advanced(done: int, total: int) -> None:
        watch.step(point.name, done / total if total else 0.0)

    return simulate(workload, point.design.load(), executor=executor, progress=advanced)


def _computed(
    point: Point, simulation: Simulation, values: ValueOptions | None, watch: Progress,
    warn: Callable[[str], None] | None,
) -> dict[str, Any]:  # fmt: skip
    """What the run computed, for its summary; nothing where nobody asked."""
    if values is None:
        return {}
    from cosim.explore.value_run import value_run

    def told(part: float) -> None:
        watch.step(point.name, part)

    def warned(text: str) -> None:
        if warn is not None:
            warn(f"{point.name}: {text}")

    return {"values": value_run(simulation, values, told, warned).as_data()}


def _kept(
    point: Point, simulation: Simulation, folder: Path, scenario: Scenario, command: str,
    computed: dict[str, Any],
) -> PointResult:  # fmt: skip
    result = simulation.result
    analysis = analyse(
        simulation.program, simulation.design, result.timeline, result.makespan_ps, result.dram
    )
    names = {"workload": point.workload.name, "design": point.design.name}
    summary = {**names, **summarise(analysis), **computed}
    write_run(
        folder,
        result.timeline,
        program=program_to_data(simulation.program),
        manifest=_manifest(point, simulation, scenario, command),
        summary=summary,
    )
    return PointResult(point, simulation, analysis, summary, folder)


def _manifest(
    point: Point, simulation: Simulation, scenario: Scenario, command: str
) -> dict[str, Any]:
    known = manifest_of(
        simulation.mapping, simulation.result, point.workload.name, point.design.name
    )
    known["design"] |= design_source(point.design)
    return {
        "scenario": scenario.name,
        "description": scenario.description,
        "command": command,
        "varied": dict(point.varied),
        **known,
    }


_SHOWN = (
    "latency_s", "makespan_ps", "cycles", "clock_hz", "macs", "energy_j", "average_power_w",
    "peak_power_w", "dram_bytes", "peak_memory_bytes", "peak_memory_by_role_bytes", "breakdown",
    "breakdown_ps", "utilisation",
)  # fmt: skip


def _as_data(result: PointResult) -> dict[str, Any]:
    layers = {
        name: {key: layer[key] for key in ("seconds", "cycles", "array_cycles")}
        for name, layer in result.summary["layers"].items()
    }
    return {
        "workload": result.point.workload.name,
        "design": result.point.design.name,
        "base": result.point.base,
        "varied": dict(result.point.varied),
        **{key: result.summary[key] for key in _SHOWN},
        "layers": layers,
        **({"values": result.summary["values"]} if "values" in result.summary else {}),
        "run_dir": str(result.run_dir),
    }
