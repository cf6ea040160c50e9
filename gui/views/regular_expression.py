"""Regular expressions as a user types them."""

from __future__ import annotations

import re
import warnings


def expression(text: str) -> re.Pattern[str]:
    """`text` as a regular expression that ignores case.

    What Python finds suspicious of a half-typed one is nothing to warn of.

    Raises
    ------
    re.error
        If it is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(text, re.IGNORECASE)
