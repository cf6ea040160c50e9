"""The error a user of `models` sees when what they asked for cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ModelError(ValueError):
    """A mistake in what was asked of a model: one line that says where, what was expected."""


def unknown(what: str, name: object, choices: Iterable[str], where: str = "") -> ModelError:
    """Return the error for a name that is none of `choices`, with the nearest valid one.

    Parameters
    ----------
    what : str
        The kind of thing, e.g. ``"network"``.
    name : object
        What was given.
    choices : iterable of str
        The valid names.
    where : str, optional
        The place that complains, put in front.
    """
    valid = sorted(choices)
    near = get_close_matches(str(name), valid, n=1, cutoff=0.4)
    hint = f"; nearest is {near[0]!r}" if near else ""
    listed = ", ".join(valid) if valid else "none"
    place = f"{where}: " if where else ""
    return ModelError(f"{place}unknown {what} {name!r}: expected one of {listed}{hint}")
