"""A scenario: workloads x designs x what varies, expanded into points.

Plain frozen data; `cosim.explore.scenario_file` makes it from TOML. A *point* is one workload on
one design with one choice of every varied key. Keys that vary start with ``design.`` or
``workload.``; what follows is a path into the design file (``design.engine.array.rows``,
``design.power.budget``) or into the workload entry (``workload.batch``, ``workload.options.rank``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from math import prod
from pathlib import Path

import cosim.design as designs
from cosim.design.design import Design
from cosim.design.document import Document, read_document
from cosim.errors import MOST_LISTED, CosimError, CosimErrors, nearest
from cosim.explore.axes import Axis, single_axis
from cosim.explore.expressions import UNLIMITED, Expression, plain
from cosim.explore.options import Objective, ReportOptions, SearchOptions, SweepOptions

MOST_POINTS = 100_000
"""Points that are listed one by one, before conditions exclude some."""
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
    zeros: Mapping[str, float] = field(default_factory=dict)
    """Measured shares of zeros in what layers write, see `cosim.workload.zeros`."""

    @property
    def is_captured(self) -> bool:
        """Whether it is a captured file: batch, mode and options are what they were then."""
        return self.file is not None or self.network.endswith(".json")

    def capture_key(self) -> tuple[object, ...]:
        """Equal for entries that capture to the same workload, whatever their names."""
        options = tuple(sorted((key, repr(value)) for key, value in self.options.items()))
        return (self.network, str(self.file), options, self.mode, self.batch, self.optimizer,
                tuple(sorted(self.zeros.items())))  # fmt: skip

    def facts(self) -> dict[str, object]:
        """What conditions may ask of it."""
        return {
            "workload.name": self.name,
            "workload.network": self.network,
            "workload.mode": self.mode,
            "workload.batch": self.batch,
            "workload.optimizer": self.optimizer,
            **{f"workload.options.{name}": plain(value) for name, value in self.options.items()},
        }


@dataclass(frozen=True)
class DesignEntry:
    """A design by catalogue name or file, with what the scenario changes in it."""

    name: str
    base: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    where: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each override was written, for errors."""
    document: Document | None = None
    """The design as it was written; read from `base` if there is none."""

    @property
    def source(self) -> str | Document:
        """What the design is made of, before the overrides."""
        return self.base if self.document is None else self.document

    def load(self) -> Design:
        """The resolved design, under the entry's name.

        Raises
        ------
        CosimError
            Everything that is wrong with it, each mistake with the place that made it.
        """
        try:
            return replace(designs.load(self.source, self.overrides), name=self.name)
        except CosimError as error:
            parts = error.errors if isinstance(error, CosimErrors) else (error,)
            raise CosimErrors(self._placed(part) for part in parts) from None

    def facts(self) -> dict[str, object]:
        """What conditions may ask of it: every key of the design as a number or text.

        What a DRAM part brings is there as well, under the key that would replace it.
        """
        from cosim.design.overrides import apply_overrides

        document = apply_overrides(read_document(self.source), self.overrides)
        dram = self.load().dram
        found: dict[str, object] = {
            "design.power.budget": plain(UNLIMITED),
            "design.dram.bandwidth": float(dram.bandwidth_bytes_per_s),
            "design.dram.efficiency": dram.efficiency,
            "design.dram.latency": dram.latency_ps * 1e-12,
        }
        found |= {f"design.{key}": plain(value) for key, value in _leaves(document.values)}
        # what the scenario calls it, not what its file does
        return found | {"design.name": self.name, "design.base": Path(self.base).stem}

    def _placed(self, error: CosimError) -> CosimError:
        """An error about an override, at the line that wrote it rather than at ``override``."""
        key = next((key for key in self.places if key in error.problem), None)
        if key is None or not error.where.startswith("override"):
            return error
        return CosimError(
            error.problem, where=self.places[key], expected=error.expected, nearest=error.nearest
        )


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
    conditions: tuple[Expression, ...] = ()
    """What a point must fulfil to be one."""
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Expression, ...] = ()
    """What a result must fulfil to be a solution."""
    sweep: SweepOptions = field(default_factory=SweepOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    report: ReportOptions = field(default_factory=ReportOptions)
    file: str = ""
    settings: tuple[tuple[str, tuple[object, ...]], ...] = ()
    """What was set beside the file, see `with_settings`."""

    @property
    def details(self) -> tuple[str, ...]:
        """Patterns of the points whose timelines the report shows; empty: it chooses."""
        return self.report.details

    def points(self) -> list[Point]:
        """Every point, workloads outermost, axes innermost, each point once.

        An axis value a design has anyway changes nothing, and the point keeps the plain name.

        Raises
        ------
        CosimError
            For more than can be meant.
        """
        count = prod([len(self.workloads), len(self.designs), *map(len, self.axes)])
        if count > MOST_POINTS:
            raise CosimError(
                f"{count} points", where=self.file,
                expected=f"at most {MOST_POINTS}; cosim sweep and cosim search take samples",
            )  # fmt: skip
        result: dict[tuple[str, str], Point] = {}
        for workload, design in product(self.workloads, self.designs):
            allowed = Allowed(workload, design, self.axes, self.conditions)
            for choice in product(*(range(len(axis)) for axis in self.axes)):
                varied = allowed.varied(choice)
                if varied is not None:
                    point = _varied(workload, design, varied, self._places())
                    result.setdefault((point.workload.name, point.design.name), point)
        return list(result.values())

    def _places(self) -> dict[str, str]:
        return {key: axis.where for axis in self.axes for key in axis.keys}

    def with_settings(self, settings: Iterable[tuple[str, Sequence[object]]]) -> Scenario:
        """The scenario with keys set to a value, or varied over several, on all its points.

        Raises
        ------
        CosimError
            For a key that cannot vary.
        """
        axes = {axis.keys: axis for axis in self.axes}
        given = tuple((key, tuple(values)) for key, values in settings)
        for key, values in given:
            axis = single_axis(key, values, "--set")
            for keys in [keys for keys in axes if key in keys and len(keys) > 1]:
                raise CosimError(
                    f"'{key}' is linked to {', '.join(k for k in keys if k != key)}",
                    where="--set", expected="a key that varies alone, or not at all",
                )  # fmt: skip
            known = axes.get(axis.keys)  # where it applies is not what was set
            axes[axis.keys] = axis if known is None else replace(axis, only=known.only)
        return replace(self, axes=tuple(axes.values()), settings=(*self.settings, *given))


class Allowed:
    """Which choices of the axes make a point of one workload on one design.

    Parameters
    ----------
    axes, conditions
        Of the scenario.
    """

    def __init__(
        self,
        workload: WorkloadEntry,
        design: DesignEntry,
        axes: Sequence[Axis],
        conditions: Sequence[Expression],
    ) -> None:
        self._axes = axes
        self._conditions = conditions
        asks = conditions or any(axis.only for axis in axes)
        self._values = {**design.facts(), **workload.facts()} if asks else {}
        self._plain = [
            [tuple(map(plain, c)) for c in axis.choices] if asks else [] for axis in axes
        ]

    def varied(self, choice: Sequence[int]) -> dict[str, object] | None:
        """The varied keys with their values; None if a condition excludes the point.

        A condition that asks for what this point does not have (an option of another network)
        does not concern it.
        """
        varied: dict[str, object] = {}
        values = dict(self._values)
        for axis, position, plains in zip(self._axes, choice, self._plain, strict=True):
            if axis.only is None or _holds(axis.only, values):
                varied.update(zip(axis.keys, axis.choices[position], strict=True))
                if plains:
                    values.update(zip(axis.keys, plains[position], strict=True))
        if all(_holds(condition, values, unknown=True) for condition in self._conditions):
            return varied
        return None


def _holds(condition: Expression, values: Mapping[str, object], unknown: bool = False) -> bool:
    if any(name not in values for name in condition.names):
        return unknown
    return condition(values)


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
            few = f" of {', '.join(sorted(names))}" if len(names) <= MOST_LISTED else ""
            raise CosimError(
                f"no point matches '{pattern}'",
                where="--only",
                expected=f"a workload, a design, or workload/design{few}",
                nearest=nearest(pattern, names),
            )
        chosen.update(dict.fromkeys(found))
    return [point for point in points if point.name in chosen]


def matches(point: Point, pattern: str) -> bool:
    """Whether a shell pattern names this point, its workload or its design."""
    workload, design = point.workload.name, point.design.name
    names = (workload, design, f"{workload}/{design}", point.name)
    return any(fnmatchcase(name, pattern) for name in names)


def _leaves(table: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def file_name(name: str) -> str:
    """A name as a folder: letters, digits, dot, plus and dash only."""
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", name).strip("-.") or "unnamed"


def _varied(
    workload: WorkloadEntry,
    design: DesignEntry,
    varied: Mapping[str, object],
    places: Mapping[str, str],
) -> Point:
    own: dict[str, object] = {}
    base = design.name
    for key, value in varied.items():
        room, _, path = key.partition(".")
        label = f"{path.rpartition('.')[2]} {value}"
        if room == "workload":
            workload = with_key(workload, path, value, places[key], f"{workload.name}, {label}")
            own[key] = value
        elif not _is_default(design, path, value):
            design = replace(
                design,
                name=f"{design.name}, {label}",
                overrides={**design.overrides, path: value},
                places={**design.places, path: places[key]},
            )
            own[key] = value
    return Point(workload, design, own, base)


def _is_default(design: DesignEntry, path: str, value: object) -> bool:
    """No limit is what a power budget is without being told."""
    return path == "power.budget" and value == UNLIMITED and path not in design.overrides


def with_key(
    entry: WorkloadEntry, path: str, value: object, where: str, name: str = ""
) -> WorkloadEntry:
    """The workload with one key changed: ``batch``, ``mode``, ``optimizer`` or ``options.NAME``.

    Raises
    ------
    CosimError
        For a value that the key cannot have.
    """
    name = name or entry.name
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
    if entry.is_captured:
        raise CosimError(
            f"'{entry.name}' is a captured workload: its {path.partition('.')[0]} cannot vary",
            where=where, expected="a network, captured anew for every value",
        )  # fmt: skip
    if path.startswith("options."):
        options = {**entry.options, path.removeprefix("options."): value}
        return replace(entry, name=name, options=options)
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
