"""What each dock shows, in a sentence: its tooltip, and its line in the menu and the palette."""

from __future__ import annotations

from gui.views.view import PANELS

WORDS = {
    **PANELS,
    "chart": "any quantity of the design points against any other, or counters over time",
    "intervals": "the intervals of one lane as a table",
    "details": "the selected interval in words, and statistics of the selected range",
    "values": "what the selected task reads and writes, and the numbers in it",
    "what-if": "parameters of the run: change them and run again",
    "markers": "markers with their notes and distances, and kept views",
    "runs": "open runs: click one to show it, check several to compare them",
    "lanes": "which lanes the timeline shows, and which are pinned on top",
}
