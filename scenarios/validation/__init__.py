"""Published results that `cosim validate` compares with, one case in each TOML file.

What a case file may say stands in `cosim.explore.validation.case`; tables beside it (CSV) hold
the rows of cases that have many.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of all cases: their files without ``.toml``, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))
