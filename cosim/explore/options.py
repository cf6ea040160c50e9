"""What a scenario says about its sweep, its search and its report, beside the points themselves."""

from __future__ import annotations

from dataclasses import dataclass

from cosim.errors import CosimError

METHODS = ("grid", "random", "latin-hypercube", "sobol")
KEEP = ("summary", "timelines")
SAMPLERS = ("nsga2", "tpe", "random")
MOST_SEED = 1 << 32


@dataclass(frozen=True)
class Objective:
    """A column of the results, and whether less of it is better."""

    column: str
    direction: str = "min"
    where: str = ""

    @property
    def sign(self) -> float:
        """Multiplied with this, less is better."""
        return 1.0 if self.direction == "min" else -1.0


def check_seed(seed: int, repeats: int = 1) -> None:
    """Raise `CosimError` unless the seeds ``seed``, ``seed + 1``... are ones."""
    if not 0 <= seed <= MOST_SEED - repeats:
        raise CosimError(f"a seed of {seed}", expected=f"a whole number from 0 to {MOST_SEED - 1}")


@dataclass(frozen=True)
class SweepOptions:
    """Which points of the space a sweep runs.

    Attributes
    ----------
    method : one of `METHODS`
    points : int or None
        How many a sampling method takes; a grid takes all.
    seed : int
        Of the sampling. The simulation itself draws no random numbers.
    repeats : int
        Samples drawn, with seeds ``seed``, ``seed + 1``...; a point drawn twice runs once.
    limit : int
        More points than this need a confirmation.
    keep : one of `KEEP`
        A row of results for each point, or its run folder as well.
    """

    method: str = "grid"
    points: int | None = None
    seed: int = 0
    repeats: int = 1
    limit: int = 100_000
    keep: str = "summary"


@dataclass(frozen=True)
class SearchOptions:
    """How a search looks for the best points.

    Attributes
    ----------
    sampler : one of `SAMPLERS`
    evaluations : int
        Different points that are run, at most.
    population : int
        Points asked for and run as one batch.
    repeats : int
        Searches, with seeds ``seed``, ``seed + 1``...
    """

    sampler: str = "nsga2"
    evaluations: int = 200
    population: int = 20
    seed: int = 0
    repeats: int = 1


@dataclass(frozen=True)
class ReportOptions:
    """What the report shows.

    Attributes
    ----------
    details : tuple of str
        Patterns of the points whose timelines a run's report draws; empty: it chooses.
    columns : tuple of str
        Columns beyond the usual ones, as ``breakdown.bandwidth`` or ``layers.fc1.seconds``: keys
        of a run's summary, with dots between.
    best_by : tuple of str
        Keys for whose every value the best points are listed.
    """

    details: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    best_by: tuple[str, ...] = ()
