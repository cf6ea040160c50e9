"""A scenario: workloads x designs x what varies, expanded into points.

Plain frozen data; `cosim.explore.scenario_file` makes it from TOML. A *point* is one workload on
one design with one choice of every varied key. Keys that vary start with ``design.`` or
``workload.``; what follows is a path into the design file (``design.engine.array.rows``,
``design.power.budget``) or into the workload entry (``workload.batch``, ``workload.options.rank``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import cosim.design as designs
from cosim.design.design import Design
from cosim.errors import CosimError, CosimErrors, nearest

UNLIMITED = "unlimited"
CHOICES = {
    "mode": ("inference", "training"),
    "optimizer": ("sgd", "momentum", "adam", "adamw"),
}


@dataclass(frozen=True)
class WorkloadEntry:
    """Where one workload comes from: a network by name, or a captured file.

    `where` is the place in the scenario, for errors.
    """

    name: str
    network: str = ""
    file: Path | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    mode: str = "inference"
    batch: int = 1
    optimizer: str = "sgd"
    where: str = ""

    def capture_key(self) -> tuple[object, ...]:
        """Equal for entries that capture to the same workload, whatever their names."""
        options = tuple(sorted((key, repr(value)) for key, value in self.options.items()))
        return (self.network, str(self.file), options, self.mode, self.batch, self.optimizer)


@dataclass(frozen=True)
class DesignEntry:
    """A design by catalogue name or file, with what the scenario changes in it."""

    name: str
    base: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    where: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each override was written, for errors."""

    def load(self) -> Design:
        """The resolved design, under the entry's name.

        Raises
        ------
        CosimError
            Everything that is wrong with it, each mistake with the place that made it.
        """
        try:
            return replace(designs.load(self.base, self.overrides), name=self.name)
        except CosimError as error:
            parts = error.errors if isinstance(error, CosimErrors) else (error,)
            raise CosimErrors(self._placed(part) for part in parts) from None

    def _placed(self, error: CosimError) -> CosimError:
        """An error about an override, at the line that wrote it rather than at ``override``."""
        key = next((key for key in self.places if key in error.problem), None)
        if key is None or not error.where.startswith("override"):
            return error
        return CosimError(
            error.problem, where=self.places[key], expected=error.expected, nearest=error.nearest
        )


@dataclass(frozen=True)
class Axis:
    """One key that varies, and its values."""

    key: str
    values: tuple[object, ...]
    where: str = ""


@dataclass(frozen=True)
class Point:
    """One workload on one design: what a run is made of, and where its run folder lies."""

    workload: WorkloadEntry
    design: DesignEntry
    varied: Mapping[str, object] = field(default_factory=dict)
    base: str = ""
    """Name of the design before anything was varied."""

    @property
    def name(self) -> str:
        return f"{self.workload.name} / {self.design.name}"

    @property
    def folder(self) -> Path:
        """Run folder, relative to the scenario's."""
        return Path(file_name(self.workload.name)) / file_name(self.design.name)


@dataclass(frozen=True)
class Scenario:
    """A question put to machines and networks."""

    name: str
    description: str
    question: str
    workloads: tuple[WorkloadEntry, ...]
    designs: tuple[DesignEntry, ...]
    axes: tuple[Axis, ...] = ()
    details: tuple[str, ...] = ()
    """Patterns of the points whose timelines the report shows; empty: it chooses."""
    file: str = ""

    def points(self) -> list[Point]:
        """Every point, workloads outermost, axes innermost, each point once.

        An axis value a design has anyway changes nothing, and the point keeps the plain name.
        """
        result: dict[tuple[str, str], Point] = {}
        for workload in self.workloads:
            for design in self.designs:
                for choice in product(*(axis.values for axis in self.axes)):
                    point = _varied(workload, design, zip(self.axes, choice, strict=True))
                    result.setdefault((point.workload.name, point.design.name), point)
        return list(result.values())

    def with_settings(self, settings: Iterable[tuple[str, Sequence[object]]]) -> Scenario:
        """The scenario with keys set to a value, or varied over several, on all its points."""
        axes = {axis.key: axis for axis in self.axes}
        for key, values in settings:
            axes[key] = Axis(check_axis_key(key, "--set"), tuple(values), "--set")
        return replace(self, axes=tuple(axes.values()))


def select(points: Sequence[Point], patterns: Sequence[str]) -> list[Point]:
    """Points whose workload, design or ``workload/design`` matches one of the patterns.

    Raises
    ------
    CosimError
        For a pattern that matches nothing, with the nearest name.
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        found = [point.name for point in points if matches(point, pattern)]
        if not found:
            names = {p.workload.name for p in points} | {p.design.name for p in points}
            raise CosimError(
                f"no point matches '{pattern}'",
                where="--only",
                expected=f"a workload, a design, or workload/design of {', '.join(sorted(names))}",
                nearest=nearest(pattern, names),
            )
        chosen.update(dict.fromkeys(found))
    return [point for point in points if point.name in chosen]


def matches(point: Point, pattern: str) -> bool:
    """Whether a shell pattern names this point, its workload or its design."""
    workload, design = point.workload.name, point.design.name
    names = (workload, design, f"{workload}/{design}", point.name)
    return any(fnmatchcase(name, pattern) for name in names)


def check_axis_key(key: str, where: str) -> str:
    """`key`, if it may vary.

    Raises
    ------
    CosimError
        If it is neither a design's nor a workload's.
    """
    room, _, rest = key.partition(".")
    known = ("batch", "mode", "optimizer")
    if room == "design" and rest:
        return key
    if room == "workload" and (rest in known or rest.startswith("options.")):
        return key
    choices = [f"workload.{name}" for name in known]
    raise CosimError(
        f"cannot vary '{key}'",
        where=where,
        expected="design.KEY (as design.power.budget), workload.batch, workload.mode, "
        "workload.optimizer or workload.options.NAME",
        nearest=nearest(key, choices) or (f"design.{key}" if "." in key else ""),
    )


def file_name(name: str) -> str:
    """A name as a folder: letters, digits, dot, plus and dash only."""
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", name).strip("-.") or "unnamed"


def _varied(
    workload: WorkloadEntry, design: DesignEntry, varied: Iterable[tuple[Axis, object]]
) -> Point:
    own: dict[str, object] = {}
    base = design.name
    for axis, value in varied:
        key = axis.key
        room, _, path = key.partition(".")
        label = f"{path.rpartition('.')[2]} {value}"
        if room == "workload":
            workload = _set_workload(workload, path, value, label, axis.where)
            own[key] = value
        elif not _is_default(design, path, value):
            design = replace(
                design,
                name=f"{design.name}, {label}",
                overrides={**design.overrides, path: value},
                places={**design.places, path: axis.where},
            )
            own[key] = value
    return Point(workload, design, own, base)


def _is_default(design: DesignEntry, path: str, value: object) -> bool:
    """No limit is what a power budget is without being told."""
    return path == "power.budget" and value == UNLIMITED and path not in design.overrides


def _set_workload(
    entry: WorkloadEntry, path: str, value: object, label: str, where: str
) -> WorkloadEntry:
    name = f"{entry.name}, {label}"
    if path.startswith("options."):
        options = {**entry.options, path.removeprefix("options."): value}
        return replace(entry, name=name, options=options)
    if path == "batch" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise CosimError(
            f"workload.batch is {value!r}", where=where, expected="a whole number from 1"
        )
    if path in CHOICES and value not in CHOICES[path]:
        raise CosimError(
            f"workload.{path} is {value!r}",
            where=where,
            expected=f"one of {', '.join(CHOICES[path])}",
            nearest=nearest(str(value), CHOICES[path]),
        )
    return replace(entry, name=name, **{path: value})  # type: ignore[arg-type]


def unique_names(entries: Iterable[WorkloadEntry | DesignEntry], kind: str) -> None:
    """Raise for the first name that stands twice."""
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise CosimError(
                f"two {kind}s are called '{entry.name}'", where=entry.where,
                expected="a different name for each",
            )  # fmt: skip
        seen.add(entry.name)
