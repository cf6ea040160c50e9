"""Every panel looks as it did when someone last looked at it.

``python -m tests.gui.golden`` makes the pictures anew; look at them before they are committed.
"""

from __future__ import annotations

from dataclasses import fields
from typing import ClassVar

import numpy as np
import pytest
from PyQt6.QtGui import QImage

from gui.painting.paint import READS
from gui.painting.picture import image_of
from gui.painting.scene import Stores
from gui.views.design_table import table_of_folders
from gui.views.run_data import find_runs, open_run
from gui.views.view import PANELS, Marker, View
from tests.gui.golden import FOLDER, SIZE, THEMES, frozen_runs, pictures, views

BLOCK = 4
MEAN = 3.0
"""Largest mean difference of a colour, of 255."""
FAR = 40
"""A block of pixels that differs by more is one that changed."""
CHANGED = 0.02
"""Largest share of such blocks: fonts and rounding differ a little from machine to machine."""


def blocks(image: QImage) -> np.ndarray:
    """Mean colours of small blocks: what moves by a pixel hardly changes them."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    bits = plain.constBits()
    bits.setsize(plain.sizeInBytes())
    rows = np.frombuffer(bits, np.uint8).reshape(plain.height(), plain.bytesPerLine())
    pixels = rows[:, : plain.width() * 3].reshape(plain.height(), plain.width(), 3)
    high, wide = plain.height() // BLOCK * BLOCK, plain.width() // BLOCK * BLOCK
    cut = pixels[:high, :wide].astype(np.float64)
    return cut.reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK, 3).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def drawn(qapp):
    with frozen_runs() as folder:
        return dict(pictures(folder))


NAMES = [f"{name} {theme}".replace(" ", "-") for name in views(1000) for theme in THEMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_looks_as_before(name, drawn):
    file = FOLDER / f"{name}.png"
    assert file.is_file(), "no golden picture: python -m tests.gui.golden"
    golden, image = QImage(str(file)), drawn[name]
    assert golden.size() == image.size()
    difference = np.abs(blocks(golden) - blocks(image))
    assert difference.mean() < MEAN
    assert (difference.max(axis=2) > FAR).mean() < CHANGED


def test_the_comparison_sees_a_lane_that_is_missing(drawn):
    image = drawn["timeline-light"].copy()
    golden = blocks(image)
    for y in range(60, 84):
        for x in range(168, image.width()):
            image.setPixel(x, y, 0xFFFFFFFF)
    difference = np.abs(golden - blocks(image))
    assert (difference.max(axis=2) > FAR).mean() > CHANGED


class Watched(View):
    """A view that remembers which of its fields were read."""

    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> object:
        Watched.read.add(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("panel", PANELS)
def test_a_picture_reads_the_fields_that_it_is_drawn_anew_for(panel, qapp, run, runs):
    table = table_of_folders(find_runs(runs))
    third = run.makespan_ps // 3
    view = Watched(
        panel=panel, time_ps=third, range_ps=(third, 2 * third), selected=40, critical=True,
        layer=run.layers[0].name, pattern="load", markers=(Marker(third),),
    )  # fmt: skip
    others = [open_run(path) for path in find_runs(runs)] if panel in ("compare", "aligned") else []
    for other in others:
        assert other.layers
    shown = (run, *others)
    Watched.read = set()
    image_of(view, Stores(shown, table, (0,)), SIZE)
    assert Watched.read & {f.name for f in fields(View)} - {"panel"} == READS[panel]
