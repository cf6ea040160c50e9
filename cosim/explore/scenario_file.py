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

    [vary]                          # every combination is run
    "design.power.budget" = ["unlimited", "1 W"]

    [report]
    details = ["lenet5-int8/ultra96"]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

import cosim.design as designs
from cosim.design.specification import Specification
from cosim.design.toml_source import TomlSource, read_toml
from cosim.design.validation import validated
from cosim.errors import CosimError, CosimErrors, nearest
from cosim.explore.scenario import (
    Axis,
    DesignEntry,
    Scenario,
    WorkloadEntry,
    check_axis_key,
    unique_names,
)


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


class ScenarioTable(Specification):
    description: str = ""
    """One line for `cosim list scenarios`."""
    question: str = ""
    """What the scenario is to answer."""
    workload: Annotated[list[WorkloadTable], Field(min_length=1)]
    design: Annotated[list[DesignTable], Field(min_length=1)]
    vary: dict[str, list[Any]] = Field(default_factory=dict)
    """Key to values; every combination is run."""
    report: ReportTable = ReportTable()


def read_scenario(path_or_name: str | Path) -> Scenario:
    """The scenario of a file, or one that comes along by name (``edge-mnist``).

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
    axes = _collect(errors, (lambda k=k, v=v: _axis(k, v, source) for k, v in table.vary.items()))
    if errors:
        raise CosimErrors(errors)
    unique_names(workloads, "workload")
    unique_names(entries, "design")
    return checked(
        Scenario(
            file.stem,
            table.description,
            table.question,
            tuple(workloads),
            tuple(entries),
            tuple(axes),
            tuple(table.report.details),
            str(path_or_name),
        )
    )


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
    return WorkloadEntry(
        name, table.network or "", path, table.options, table.mode, table.batch, table.optimizer,
        where,
    )  # fmt: skip


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


def _axis(key: str, values: list[Any], source: TomlSource) -> Axis:
    where = source.where(("vary", key))
    check_axis_key(key, where)
    if not values:
        raise CosimError(f"'{key}' varies over nothing", where=where, expected="at least one value")
    return Axis(key, tuple(values), where)
