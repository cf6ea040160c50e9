"""Answers questions about a run's tasks in a process of its own: ``python -m gui.inspector``.

Questions and answers are lines of JSON; a question may take long, and its process may be ended::

    {"id": 7, "run": "/folder", "component": "array", "task": 12, "values": true}
    {"id": 7, "progress": 0.4, "what": "carrying the run out in numbers"}
    {"id": 7, "task": {...}, "tiles": [...], "fault": ""}
    {"id": 7, "error": "one line"}
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from cosim.errors import CosimError
from gui.views.value_inspection import ValueInspection

SHORTEST_PAUSE_S = 0.05


class Inspector:
    """Remembers the run that was asked about last."""

    def __init__(self) -> None:
        self._run: tuple[str, ValueInspection] | None = None
        self._question: dict[str, Any] = {}
        self._told = 0.0

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """One answer.

        Raises
        ------
        CosimError
            If there is none.
        """
        self._question = question
        path = str(question["run"])
        if self._run is None or self._run[0] != path:
            self._run = None
            self._run = path, ValueInspection(Path(path), self._progress)
        inspection = self._run[1]
        at = str(question["component"]), int(question["task"])
        found: dict[str, Any] = {"task": inspection.task(*at)}
        return found | (inspection.values(*at) if question.get("values") else {})

    def _progress(self, part: float, what: str) -> None:
        now = time.monotonic()
        if now - self._told >= SHORTEST_PAUSE_S:
            self._told = now
            tell(id=self._question.get("id"), progress=part, what=what)


def tell(**line: Any) -> None:
    """Write one line."""
    print(json.dumps(line), flush=True)


def main() -> int:
    inspector = Inspector()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            tell(id=question["id"], **inspector.answer(question))
        except CosimError as error:
            tell(id=question["id"], error=str(error))
        except BrokenPipeError:
            return 1
        except Exception as error:
            import traceback

            traceback.print_exc()
            tell(id=question["id"], error=f"{type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
