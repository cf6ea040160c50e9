"""The kernel compiled by numba, loaded only when asked for.

Machine code is kept on disk where that is possible (numba looks beside the sources, then in the
user's cache folder); where it is not, every process compiles for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from cosim.machine import kernel


@cache
def compiled_kernel() -> dict[str, Callable[..., Any]] | None:
    """The kernel's functions by name, compiled; None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    names = dict(vars(kernel))
    for function in kernel.FUNCTIONS:
        # the same code, but calling the compiled versions of what it calls
        copy = FunctionType(function.__code__, names, function.__name__)
        copy.__module__ = kernel.__name__
        copy.__qualname__ = function.__qualname__
        names[function.__name__] = _compile(numba, copy)
    return {function.__name__: names[function.__name__] for function in kernel.FUNCTIONS}


def is_loaded() -> bool:
    """Whether this process has paid for loading the compiled kernel already."""
    return compiled_kernel.cache_info().currsize > 0 and "numba" in sys.modules


def _compile(numba: Any, function: FunctionType) -> Any:
    # inlined, the helpers share what they know of the memory: that alone makes it twice as fast
    inline = function.__name__.startswith("_")
    try:
        return numba.njit(cache=True, nogil=True, forceinline=inline)(function)
    except RuntimeError:  # no folder to write to
        return numba.njit(nogil=True, forceinline=inline)(function)
