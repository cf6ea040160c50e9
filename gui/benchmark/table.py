"""Sorting and filtering the table of design points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gui.benchmark.rows import Row, timed

TABLE_MS = 50.0


def measure_table(folder: Path, batch: int, rows: int = 100_000) -> list[Row]:
    """Until the table in its window shows it."""
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QApplication, QTableView

    application = QApplication([])
    from gui.views.design_table import table_of
    from gui.widgets.design_model import DesignModel

    random = np.random.default_rng(1)
    values = random.lognormal(size=(rows, 3))
    summaries = [
        {"workload": f"network-{i % 13}", "design": f"design {i}, rows {2 ** (i % 7)}",
         "latency_s": a, "energy_j": b, "peak_memory_bytes": c * 1e6}
        for i, (a, b, c) in enumerate(values.tolist())
    ]  # fmt: skip
    varied = [{"design.engine.array.rows": 2 ** (i % 7)} for i in range(rows)]
    table = table_of(summaries, varied, [None] * rows)
    model, view = DesignModel(), QTableView()
    model.show(table)
    view.setModel(model)
    view.resize(900, 600)
    view.show()
    application.processEvents()

    def shown(run: Callable[[], object]) -> float:
        def both() -> None:
            run()
            viewport = view.viewport()
            assert viewport is not None
            viewport.repaint()

        return timed(both)

    result = [Row("rows", rows, "")]
    order = Qt.SortOrder
    for column in range(model.columnCount()):
        name = model.headerData(column, Qt.Orientation.Horizontal)
        spent = [shown(lambda c=column, o=o: model.sort(c, o))
                 for o in (order.AscendingOrder, order.DescendingOrder)]  # fmt: skip
        result.append(Row(f"sort by {name}", max(spent), goal=TABLE_MS))
    for pattern in ("rows 64", "network-1.*rows (8|16)$", r"rows \d\d,?", "nothing like this", ""):
        spent_ms = shown(lambda p=pattern: model.filter(p))
        result.append(Row(f"filter '{pattern}'", spent_ms, goal=TABLE_MS))
    view.close()
    return result
