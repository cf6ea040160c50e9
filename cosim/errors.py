"""What is said to a user whose input is wrong: one clear line, no traceback.

The command line prints a `CosimError` on standard error and exits with 2. Anything else that
escapes is a defect of the program and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable

MOST_LISTED = 16
"""Longer lists of choices are left out of a message: the nearest one says more."""


class CosimError(Exception):
    """A mistake in what the user handed in.

    Parameters
    ----------
    problem : str
        What is wrong, naming the offending value.
    where : str
        Place of the mistake: ``file:line``, a key, a command-line argument.
    expected : str
        What would have been right: a type, a range, a list of choices.
    nearest : str
        The valid name closest to what was written, see `nearest`.

    Examples
    --------
    >>> str(CosimError("unknown key 'clokc'", where="edge.toml:4", nearest="clock"))
    "edge.toml:4: unknown key 'clokc'; did you mean 'clock'?"
    """

    def __init__(
        self, problem: str, *, where: str = "", expected: str = "", nearest: str = ""
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.expected = expected
        self.nearest = nearest

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        if self.expected:
            text += f"; expected {self.expected}"
        if self.nearest:
            text += f"; did you mean '{self.nearest}'?"
        return " ".join(text.split())

    def at(self, where: str) -> CosimError:
        """The same mistake, with its place put in front of any place it already names."""
        place = f"{where}: {self.where}" if self.where else where
        return CosimError(self.problem, where=place, expected=self.expected, nearest=self.nearest)


class CosimErrors(CosimError):
    """Several mistakes found in one reading; printed one line each.

    Parameters
    ----------
    errors : iterable of CosimError
        At least one.
    """

    def __init__(self, errors: Iterable[CosimError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))
        self.args = (self.errors,)  # what pickling calls the class with again

    def __str__(self) -> str:
        return self.problem

    def at(self, where: str) -> CosimErrors:
        """Each of the mistakes with its place put behind `where`."""
        return CosimErrors(error.at(where) for error in self.errors)


def nearest(name: str, choices: Iterable[str]) -> str:
    """The choice that reads most like `name`, or an empty string if none comes close."""
    import difflib

    by_lower = {choice.lower(): choice for choice in choices}
    match = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.55)
    return by_lower[match[0]] if match else ""


def unknown(kind: str, name: str, choices: Iterable[str], where: str = "") -> CosimError:
    """The error for a `name` that is not among `choices`.

    Parameters
    ----------
    kind : str
        What was named: ``network``, ``board``, ``clock``.
    """
    known = sorted(choices)
    return CosimError(
        f"unknown {kind} '{name}'",
        where=where,
        expected=f"one of {', '.join(known)}" if 0 < len(known) <= MOST_LISTED else "",
        nearest=nearest(name, known),
    )
