"""The scenarios that come with the program: TOML files, found by name wherever it is installed.

`scenarios.validation` holds something else: published results to compare with; `designs` the
machines that scenarios and validation start from beside those of the catalogue.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
VALIDATION = FOLDER / "validation"
DESIGNS = FOLDER / "designs"


def names() -> list[str]:
    """Names of all scenarios: their path below this folder without ``.toml``, sorted."""
    return sorted(file.relative_to(FOLDER).with_suffix("").as_posix() for file in files())


def files() -> list[Path]:
    """All scenario files, those in sub-folders (``lessons/``) included."""
    return sorted(
        file
        for file in FOLDER.rglob("*.toml")
        if not file.is_relative_to(VALIDATION) and not file.is_relative_to(DESIGNS)
    )
