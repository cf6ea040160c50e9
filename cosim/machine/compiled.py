"""Texts of integers compiled by numba, loaded only when asked for.

A text is a module of functions that use nothing but integers, indexing and each other: the kernel
(`cosim.machine.kernel`), the DRAM channel (`cosim.machine.dram.scheduler`). Machine code is kept on
disk where that is possible (numba looks beside the sources, then in the user's cache folder); where
it is not, every process compiles for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from cosim.machine import kernel


@cache
def compiled_functions(text: ModuleType) -> dict[str, Callable[..., Any]] | None:
    """The functions of a text by name, compiled; None where numba is not installed.

    Parameters
    ----------
    text : module
        Its ``FUNCTIONS`` are all of them, each after those that it calls.
    """
    try:
        import numba
    except ImportError:
        return None
    names = dict(vars(text))
    for function in text.FUNCTIONS:
        # the same code, but calling the compiled versions of what it calls
        copy = FunctionType(function.__code__, names, function.__name__)
        copy.__module__ = text.__name__
        copy.__qualname__ = function.__qualname__
        names[function.__name__] = _compile(numba, copy)
    return {function.__name__: names[function.__name__] for function in text.FUNCTIONS}


def compiled_kernel() -> dict[str, Callable[..., Any]] | None:
    """The kernel's functions by name, compiled; None where numba is not installed."""
    return compiled_functions(kernel)


def is_loaded() -> bool:
    """Whether this process has paid for loading compiled code already."""
    return compiled_functions.cache_info().currsize > 0 and "numba" in sys.modules


def _compile(numba: Any, function: FunctionType) -> Any:
    # inlined, the helpers share what they know of the memory: that alone makes it twice as fast
    inline = function.__name__.startswith("_")
    try:
        return numba.njit(cache=True, nogil=True, forceinline=inline)(function)
    except RuntimeError:  # no folder to write to
        return numba.njit(nogil=True, forceinline=inline)(function)
