"""Reads a scenario file: every key checked with its line before anything runs.

::

    description = "one line for `cosim list scenarios`"
    question = "what the scenario is to answer"

    [[workload]]                    # one or more
    name = "lenet5-int8"
    network = "lenet5"              # or file = "lenet5.json", captured before
    options = { bits_w = 8, bits_a = 8 }
    mode = "inference"              # or "training": forward, loss, backward, optimizer
    batch = 1

    [[design]]                      # one or more
    base = "ultra96"                # a board of the catalogue, or a design file
    set = { "engine.array.rows" = 8 }

    [vary]                          # every combination is run; see `cosim.explore.axes`
    "design.power.budget" = ["unlimited", "1 W"]

    [report]
    details = ["lenet5-int8/ultra96"]

Beside these, for `cosim sweep` and `cosim search` (keys without a table stand above all tables)::

    where = ["design.engine.array.rows * design.engine.array.columns <= 1024"]
    constraints = ["latency_s <= '10 ms'"]

    [objectives]
    latency_s = "min"
    energy_j = "min"

    [sweep]
    method = "sobol"                # grid (default), random, latin-hypercube, sobol
    points = 1000

    [search]
    evaluations = 200
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

import cosim.design as designs
from cosim.design.specification_base import Specification
from cosim.design.toml_source import TomlSource, read_toml
from cosim.design.validation import validated
from cosim.errors import CosimError, CosimErrors, nearest
from cosim.explore.axes import Axis, linked_axis, read_axis
from cosim.explore.expressions import Expression, parse_expression
from cosim.explore.options import Objective, ReportOptions, SearchOptions, SweepOptions
from cosim.explore.scenario import DesignEntry, Scenario, WorkloadEntry, unique_names


class WorkloadTable(Specification):
    name: Annotated[str, Field(min_length=1)] | None = None
    """What tables and folders call it; the network's or file's name by default."""
    network: str | None = None
    """A network of `cosim list networks`, or ``module:callable``."""
    file: str | None = None
    """A workload file, relative to the scenario."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the network: bits, scheme, rank..."""
    mode: Literal["inference", "training"] = "inference"
    """``training`` is one step: forward, loss, backward, optimizer."""
    batch: Annotated[int, Field(ge=1, le=65536)] = 1
    optimizer: Literal["sgd", "momentum", "adam", "adamw"] = "sgd"
    """What updates the weights in a training step."""
    zeros: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Measured shares of zeros in what layers write, by layer, and in the ``input``: for machines
    that compress them or skip their work."""


class DesignTable(Specification):
    name: Annotated[str, Field(min_length=1)] | None = None
    """What tables and folders call it; the base's name by default."""
    base: str
    """A board of `cosim list boards`, or a design file relative to the scenario."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Changes by dotted path: ``{ "engine.array.rows" = 8 }``."""


class ReportTable(Specification):
    details: list[str] = Field(default_factory=list)
    """Patterns of the points whose timelines the report draws; it chooses when there are none."""
    columns: list[str] = Field(default_factory=list)
    """Further columns of a sweep's table: keys of a run's summary, as ``breakdown.bandwidth``."""
    best_by: list[str] = Field(default_factory=list)
    """Keys for whose every value the best points are listed."""


class SweepTable(Specification):
    method: Literal["grid", "random", "latin-hypercube", "sobol"] = "grid"
    """All points, or a sample of `points`."""
    points: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Size of a sample."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the sampling."""
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    """Samples drawn, with one seed after the other."""
    limit: Annotated[int, Field(ge=1)] = 100_000
    """Points that run without a confirmation."""
    keep: Literal["summary", "timelines"] = "summary"
    """A row of results for each point, or its run folder as well."""


class SearchTable(Specification):
    sampler: Literal["nsga2", "tpe", "random"] = "nsga2"
    """What chooses the next points."""
    evaluations: Annotated[int, Field(ge=1)] = 200
    """Different points that are run, at most."""
    population: Annotated[int, Field(ge=2, le=10_000)] = 20
    """Points run as one batch."""
    seed: Annotated[int, Field(ge=0)] = 0
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    """Searches, with one seed after the other."""


class ScenarioTable(Specification):
    description: str = ""
    """One line for `cosim list scenarios`."""
    question: str = ""
    """What the scenario is to answer."""
    where: list[str] = Field(default_factory=list)
    """Conditions that every point fulfils: ``design.engine.array.rows <= 32``."""
    constraints: list[str] = Field(default_factory=list)
    """Conditions that the result of a solution fulfils: ``latency_s <= '10 ms'``."""
    workload: Annotated[list[WorkloadTable], Field(min_length=1)]
    """Networks, or captured workloads."""
    design: Annotated[list[DesignTable], Field(min_length=1)]
    """Machines."""
    vary: dict[str, Any] = Field(default_factory=dict)
    """Key to values (a list, or a table with ``list``, ``range`` or ``log``); every combination
    is run."""
    linked: list[dict[str, Any]] = Field(default_factory=list)
    """Keys that change together: each with a list of as many values."""
    objectives: dict[str, Literal["min", "max"]] = Field(default_factory=dict)
    """Columns of the results to make small or large."""
    sweep: SweepTable = SweepTable()
    """Which points `cosim sweep` runs, and what it keeps."""
    search: SearchTable = SearchTable()
    """How `cosim search` chooses points."""
    report: ReportTable = ReportTable()
    """What reports show."""


def read_scenario(path_or_name: str | Path, *, check_points: bool = True) -> Scenario:
    """The scenario of a file, or one that comes along by name (``edge-mnist``).

    Parameters
    ----------
    check_points : bool
        Whether the design of every point is loaded; a sweep checks its thousands otherwise.

    Raises
    ------
    CosimError
        Everything that is wrong with it, a line each. Designs are checked as well; networks are
        looked up when their workloads are captured.
    """
    file = find_scenario(str(path_or_name))
    source = read_toml(file)
    table = validated(ScenarioTable, source)
    errors: list[CosimError] = []
    workloads = _collect(
        errors,
        (lambda i=i, w=w: _workload(w, i, source, file) for i, w in enumerate(table.workload)),
    )
    entries = _collect(
        errors, (lambda i=i, d=d: _design(d, i, source, file) for i, d in enumerate(table.design))
    )
    axes = _collect(errors, _axis_makers(table, source))
    conditions = _collect(errors, _expression_makers("where", table.where, source))
    constraints = _collect(errors, _expression_makers("constraints", table.constraints, source))
    if errors:
        raise CosimErrors(errors)
    unique_names(workloads, "workload")
    unique_names(entries, "design")
    _unique_keys(axes)
    scenario = Scenario(
        name=file.stem,
        description=table.description,
        question=table.question,
        workloads=tuple(workloads),
        designs=tuple(entries),
        axes=tuple(axes),
        conditions=tuple(conditions),
        objectives=tuple(
            Objective(column, direction, source.where(("objectives", column)))
            for column, direction in table.objectives.items()
        ),
        constraints=tuple(constraints),
        sweep=SweepOptions(**table.sweep.model_dump()),
        search=SearchOptions(**table.search.model_dump()),
        report=ReportOptions(
            tuple(table.report.details), tuple(table.report.columns), tuple(table.report.best_by)
        ),
        file=str(path_or_name),
    )
    check_conditions(scenario)
    return checked(scenario) if check_points else scenario


def check_conditions(scenario: Scenario) -> None:
    """Raise `CosimError` for a condition that asks for a key no point has."""
    asked = [*scenario.conditions, *(axis.only for axis in scenario.axes if axis.only)]
    if not asked:
        return
    known = {key for workload in scenario.workloads for key in workload.facts()}
    known |= {key for design in scenario.designs for key in design.facts()}
    known |= {key for axis in scenario.axes for key in axis.keys}
    for condition in asked:
        condition.check_names(sorted(known))


def checked(scenario: Scenario) -> Scenario:
    """`scenario`, every design of its points loaded once.

    Raises
    ------
    CosimErrors
        What is wrong with them, each mistake once.
    """
    errors: dict[str, CosimError] = {}
    for entry in {point.design.name: point.design for point in scenario.points()}.values():
        try:
            entry.load()
        except CosimErrors as found:
            errors.update((str(error), error) for error in found.errors)
    if errors:
        raise CosimErrors(errors.values())
    return scenario


def find_scenario(name: str) -> Path:
    """The file that `name` names: a path, or a scenario that comes along."""
    import scenarios

    path = Path(name)
    if path.is_file():
        return path
    known = {f.relative_to(scenarios.FOLDER).with_suffix("").as_posix(): f for f in _shipped()}
    if name in known:
        return known[name]
    if path.suffix == ".toml" and path.parent.name == "scenarios" and path.stem in known:
        return known[path.stem]  # run outside the source tree, as the README writes it
    if path.is_dir():
        raise CosimError("is a folder", where=name, expected="a scenario file")
    near = nearest(path.stem, known)
    raise CosimError(
        "no such scenario",
        where=name,
        expected=f"a .toml file or one of {', '.join(sorted(known))}",
        nearest=near,
    )


def _shipped() -> list[Path]:
    import scenarios

    return list(scenarios.files())


def _collect(errors: list[CosimError], makers: Any) -> list[Any]:
    """What the makers make; what they complain about goes to `errors`."""
    made = []
    for make in makers:
        try:
            made.append(make())
        except CosimError as error:
            errors.append(error)
    return made


def _workload(table: WorkloadTable, index: int, source: TomlSource, file: Path) -> WorkloadEntry:
    where = source.where(("workload", index))
    if (table.network is None) == (table.file is None):
        raise CosimError(
            "a workload needs a network or a file" + ("" if table.file is None else ", not both"),
            where=where,
            expected='network = "lenet5" or file = "lenet5.json"',
        )
    path = None
    if table.file is not None:
        path = file.parent / table.file
        if not path.is_file():
            siblings = [other.name for other in path.parent.glob("*.json")]
            raise CosimError(
                f"no such workload file '{table.file}'",
                where=source.where(("workload", index, "file")),
                nearest=nearest(path.name, siblings),
            )
    name = table.name or table.network or Path(str(table.file)).name.partition(".")[0]
    entry = WorkloadEntry(
        name, table.network or "", path, table.options, table.mode, table.batch, table.optimizer,
        where, table.zeros,
    )  # fmt: skip
    for key in ("batch", "mode", "optimizer", "options"):
        if entry.is_captured and key in table.model_fields_set:
            raise CosimError(
                f"'{name}' is a captured workload: it has the {key} it was captured with",
                where=source.where(("workload", index, key)), expected=f"no {key} here",
            )  # fmt: skip
    return entry


def _design(table: DesignTable, index: int, source: TomlSource, file: Path) -> DesignEntry:
    base = table.base
    if base not in designs.names() and (file.parent / base).is_file():
        base = str(file.parent / base)
    where = source.where(("design", index, "base"))
    if base not in designs.names() and not Path(base).is_file():
        raise CosimError(
            f"no such design '{table.base}'",
            where=where,
            expected=f"one of {', '.join(designs.names())}, or a .toml file",
            nearest=nearest(table.base, designs.names()),
        )
    places = {key: source.where(("design", index, "set", key)) for key in table.set}
    entry = DesignEntry(table.name or Path(base).stem, base, dict(table.set), where, places)
    entry.load()  # checked here rather than when its first point is reached
    return entry


def _axis_makers(table: ScenarioTable, source: TomlSource) -> Iterator[Callable[[], Axis]]:
    for key, written in table.vary.items():
        yield lambda k=key, w=written: read_axis(k, w, source.where(("vary", k)))  # type: ignore[misc]
    for index, linked in enumerate(table.linked):
        yield lambda i=index, t=linked: linked_axis(t, source.where(("linked", i)))  # type: ignore[misc]


def _expression_makers(
    name: str, texts: list[str], source: TomlSource
) -> Iterator[Callable[[], Expression]]:
    for index, text in enumerate(texts):
        where = source.where((name, index))
        yield lambda t=text, w=where: parse_expression(t, w)  # type: ignore[misc]


def _unique_keys(axes: list[Axis]) -> None:
    seen: set[str] = set()
    for axis in axes:
        for key in axis.keys:
            if key in seen:
                raise CosimError(f"'{key}' varies twice", where=axis.where, expected="once")
            seen.add(key)
