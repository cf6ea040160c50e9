"""Points of a sweep that deserve a closer look: their run folders, made when they are asked for.

A sweep keeps a row of numbers for each point. What scenario it was lies beside its store
(``sweep.json``), so any row can be made a run again: ``FOLDER:KEY``, or ``FOLDER:knee``, names its
run folder wherever a command takes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cosim.errors import CosimError
from cosim.explore.options import KEEP
from cosim.explore.plan import Plan
from cosim.explore.results import asked_columns
from cosim.explore.scenario import Scenario
from cosim.explore.store import STORE, ResultStore, Row
from cosim.explore.sweep import job_of
from cosim.explore.worker import Chunk, evaluate
from cosim.whole_file import write_whole

RECORD = "sweep.json"
"""What a sweep's folder says of the scenario behind it."""
KNEE = "knee"
LETTERS = 16
"""Of a key, in the name of its run folder."""


def write_record(folder: Path, scenario: Scenario, knee: str = "") -> None:
    """Say in a sweep's folder which scenario it ran, and which point is its knee.

    A scenario that is no file says nothing.
    """
    if not scenario.file:
        return
    file = Path(scenario.file)
    data = {
        "scenario": str(file.absolute()) if file.is_file() else scenario.file,
        "settings": {key: list(values) for key, values in scenario.settings},
        KNEE: knee,
    }
    text = json.dumps(data, indent=1, default=str) + "\n"
    place = folder / RECORD
    if not place.is_file() or place.read_bytes() != text.encode():
        write_whole(place, text)


def point_folder(folder: Path, text: str) -> Path:
    """The run folder of a point of the sweep in `folder`; the point runs again if it has none.

    Parameters
    ----------
    text : str
        The beginning of its key, or ``knee``.

    Raises
    ------
    CosimError
        No sweep, no such point, a scenario that has changed since.
    """
    from cosim.explore.scenario_file import read_scenario

    where = f"{folder}:{text}"
    record = _record(folder)
    if text == KNEE:
        text = str(record.get(KNEE) or "")
        if not text:
            raise CosimError(
                "the sweep has no knee yet", where=where, expected="one that has ended, or a key"
            )
    with ResultStore(folder / STORE, read_only=True) as store:
        row = find_row(store, text, where)
    kept = folder / "points" / row.key[:LETTERS]
    if (kept / "manifest.json").is_file():
        return kept
    if not record:
        raise CosimError(
            "its run was not kept, and no scenario to run it again", where=where,
            expected=f"{RECORD} beside the store, or: cosim sweep SCENARIO --point {row.key[:8]}",
        )  # fmt: skip
    scenario = read_scenario(record["scenario"], check_points=False)
    scenario = scenario.with_settings(record["settings"].items())
    return keep_points(scenario, [row], folder)[0]


def keep_points(
    scenario: Scenario, rows: Sequence[Row], out: Path, executor: str = "auto"
) -> list[Path]:
    """Run points of a sweep again and keep their run folders, in ``out/points``.

    Raises
    ------
    CosimError
        A point that cannot run; one of another scenario, or of an earlier state of it.
    """

    @cache
    def plan(keep: str) -> Plan:
        return Plan(scenario, asked_columns(scenario)[0], keep)

    return [_kept((plan(keep) for keep in KEEP), row, out, executor) for row in rows]


def _kept(plans: Iterable[Plan], row: Row, out: Path, executor: str) -> Path:
    where = row.key[:LETTERS]
    for plan in plans:  # the key says what was kept as well
        position = plan.position_of(row)
        if position is None:
            continue
        point = plan.resolve(position)
        if point.row.key == row.key:
            break
    else:
        raise CosimError(
            "the scenario or the model has changed since this point ran", where=where,
            expected="the same sweep again first",
        )  # fmt: skip
    if point.design is None or not point.workload:
        raise CosimError(point.row.reason, where=where)
    job = job_of(plan, point, point.design, out / "points")
    packed = {point.workload: plan.packed(point.workload)}
    (outcome,) = evaluate(Chunk((job,), packed, executor=executor)).outcomes
    if outcome.values is None:
        raise CosimError(outcome.reason, where=where)
    return Path(job.folder)


def find_row(store: ResultStore, text: str, where: str) -> Row:
    """The row whose key begins with `text`.

    Raises
    ------
    CosimError
        If none does, or several do.
    """
    found = store.beginning_with(text, most=2) if text else []
    if len(found) != 1:
        count = "several points have keys" if found or not text else "no point has a key"
        raise CosimError(
            f"{count} that begin{'' if found or not text else 's'} with '{text}'", where=where,
            expected="the beginning of one key of the export, or knee",
        )  # fmt: skip
    return found[0]


def _record(folder: Path) -> Mapping[str, Any]:
    file = folder / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CosimError(f"cannot be read ({error})", where=str(file)) from None
    if not isinstance(record, dict) or not {"scenario", "settings"} <= record.keys():
        raise CosimError("is no record of a sweep", where=str(file))
    return record
