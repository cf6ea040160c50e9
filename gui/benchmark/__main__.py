"""``python -m gui.benchmark [--json] [--keep DIR]``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gui.benchmark
from gui.benchmark.counters import measure_counter
from gui.benchmark.rows import Row
from gui.benchmark.runs import BATCH, make_runs
from gui.benchmark.selection import measure_large_selection, measure_selection
from gui.benchmark.table import measure_table
from gui.benchmark.timeline import measure_compressed, measure_large

PARTS: dict[str, Callable[[Path, int], list[Row]]] = {
    "runs": make_runs,
    "run of 1e7 intervals": measure_large,
    "compressed run of 1e9 intervals": measure_compressed,
    "counter of 1e7 samples": measure_counter,
    "table of 1e5 design points": measure_table,
    "selection, ResNet-18": measure_selection,
    "selection, run of 1e7 intervals": measure_large_selection,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gui.benchmark",
                                     description=gui.benchmark.__doc__)  # fmt: skip
    parser.add_argument("--keep", metavar="DIR", type=Path, help="make the runs here, keep them")
    parser.add_argument("--batch", type=int, default=BATCH, help="of the run of 1e7 intervals")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--part", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if args.part:
        print(json.dumps([vars(row) for row in PARTS[args.part](args.keep, args.batch)]))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        for part in PARTS:
            found[part] = _in_process(part, folder, args.batch)
            if not args.json:
                print("\n".join([part, *(row.text(64) for row in found[part])]), flush=True)
    rows = [row for part in found.values() for row in part]
    missed = sum(not row.ok for row in rows)
    if args.json:
        parts = {part: [row.to_data() for row in mine] for part, mine in found.items()}
        print(json.dumps({"parts": parts, "missed": missed}, indent=1))
    else:
        print(f"{sum(row.goal is not None for row in rows)} goals, {missed} missed")
    return 1 if missed else 0


def _in_process(part: str, folder: Path, batch: int) -> list[Row]:
    command = [sys.executable, "-m", "gui.benchmark", "--part", part, "--keep", str(folder),
               "--batch", str(batch)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{part} failed:\n{done.stderr}")
    result: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return [Row(**row) for row in result]


if __name__ == "__main__":
    sys.exit(main())
