"""docs/desktop.md says what the program does: its keys, and pictures that exist."""

from __future__ import annotations

import re
from pathlib import Path

from gui.widgets.shortcut_sheet import keys_table

PAGE = Path(__file__).parents[2] / "docs" / "desktop.md"


def test_the_page_lists_the_keys_that_the_program_has(window):
    assert keys_table(window.registry) in PAGE.read_text(encoding="utf-8"), (
        "python docs/images/make.py writes the table of keys anew"
    )


def test_the_page_names_every_panel_and_its_pictures_exist(window):
    text = PAGE.read_text(encoding="utf-8")
    for name in window.docks:
        assert f"**{name[0].upper()}{name[1:]}**" in text, name
    for picture in re.findall(r"\]\((images/[^)]+)\)", text):
        assert (PAGE.parent / picture).is_file(), picture
