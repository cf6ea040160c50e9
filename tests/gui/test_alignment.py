"""Runs aligned by layer: every layer begins at the same place, and nothing overlaps or is lost."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent

from gui.views.alignment import align
from gui.views.run_data import find_runs, open_run


@pytest.fixture(scope="module")
def three(runs):
    return tuple(open_run(path) for path in find_runs(runs))


def test_every_common_layer_begins_at_one_place_in_all_runs(three):
    found = align(three)
    assert len(found.names) > 5
    for stretch, name in enumerate(found.names[1:], 1):
        for position, run in enumerate(three):
            start = next(span.start_ps for span in run.layers if span.name == name)
            assert found.place(position, start) == found.offsets[stretch], name


def test_the_axis_is_as_long_as_the_slowest_run_of_every_stretch(three):
    found = align(three)
    assert int(found.offsets[-1]) == int(found.lengths.max(axis=0).sum())
    assert found.lengths.min() >= 0
    assert found.lengths.sum(axis=1).tolist() == [run.makespan_ps for run in three]
    assert int(found.offsets[-1]) >= max(run.makespan_ps for run in three)


def test_pieces_hold_every_instant_once_and_do_not_overlap(three):
    found = align(three)
    for position, run in enumerate(three):
        pieces = found.pieces(position)
        assert [piece[0] for piece in pieces] == [0, *(piece[1] for piece in pieces[:-1])]
        assert pieces[-1][1] == run.makespan_ps
        ends = [place + end - start for start, end, place in pieces]
        assert all(end < place for end, (_, _, place) in zip(ends, pieces[1:], strict=False))


def test_places_and_instants_are_inverse(three):
    found = align(three)
    random = np.random.default_rng(5)
    for position, run in enumerate(three):
        for time in random.integers(0, run.makespan_ps, 50).tolist():
            assert found.instant(position, found.place(position, time)) == time


def test_a_run_aligned_with_itself_is_one_piece(three):
    found = align((three[0], three[0]))
    assert found.pieces(0) == found.pieces(1) == [(0, three[0].makespan_ps, 0)]


def test_the_panel_zooms_at_the_pointer_and_its_layers_lead_to_the_timeline(window, runs, qtbot):
    window.opening.open_paths([runs])
    window.opening.open_rows((0, 1))
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    window.show_panel("aligned")
    panel = window.panels["aligned"]
    panel.viewport().repaint()
    x = panel.scene_drawn.plot.left() + 0.6 * panel.scene_drawn.plot.width()
    before, whole = panel.instant_at(x), window.state.window
    place = QPointF(x, 60)
    panel.wheelEvent(QWheelEvent(
        place, place, QPoint(0, 0), QPoint(0, 240), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase, False,
    ))  # fmt: skip
    start, end = window.state.window
    assert end - start < whole[1] - whole[0]
    assert start <= before <= end
    window.navigation.fit_all()
    panel.viewport().repaint()
    hits = [h for h in panel.scene_drawn.hits if h.kind == "layer" and h.rect.width() > 30]
    qtbot.mouseClick(panel.viewport(), Qt.MouseButton.LeftButton,
                     pos=hits[0].rect.center().toPoint())  # fmt: skip
    assert window.state.view.layer == hits[0].key
