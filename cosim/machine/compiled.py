"""Texts of integers compiled by numba, loaded only when asked for.

A text is a module of functions that use nothing but integers, indexing and each other: the kernel
(`cosim.machine.kernel`), the DRAM channel (`cosim.machine.dram.scheduler`). What is compiled is the
text as it stands but for one thing: every address of its memory is declared unsigned. Indexing by a
signed integer would be preceded by a look whether it counts from the end; no address does.

Memories belong to the caller for as long as a function runs, so numba's counting of references, an
atomic operation at every call of a small function, is left out. Both together make a machine five
times as fast.

A text is one file: the machine code that is kept is only known to be stale by a change of the file
that it was made of, and small functions are built into those that call them.

Machine code is kept on disk where that is possible (numba looks beside the sources, then in the
user's cache folder); where it is not, every process compiles for itself.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
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
    names = {**vars(text), "_unsigned": numba.uint64}
    exec(_with_unsigned_addresses(text), names)
    for function in text.FUNCTIONS:
        names[function.__name__] = _compile(numba, names[function.__name__])
    return {function.__name__: names[function.__name__] for function in text.FUNCTIONS}


def compiled_kernel() -> dict[str, Callable[..., Any]] | None:
    """The kernel's functions by name, compiled; None where numba is not installed."""
    return compiled_functions(kernel)


def is_loaded() -> bool:
    """Whether this process has paid for loading compiled code already."""
    return compiled_functions.cache_info().currsize > 0 and "numba" in sys.modules


class _Unsigned(ast.NodeTransformer):
    """Writes ``m[place]`` as ``m[_unsigned(place)]``."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        name = ast.copy_location(ast.Name("_unsigned", ast.Load()), node.slice)
        node.slice = ast.copy_location(ast.Call(name, [node.slice], []), node.slice)
        return node


def _with_unsigned_addresses(text: ModuleType) -> Any:
    """Code that defines a text's functions anew."""
    tree = ast.parse(inspect.getsource(text))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        function.returns = None
        for argument in function.args.args:
            argument.annotation = None
        _Unsigned().visit(function)
    module = ast.fix_missing_locations(ast.Module([*functions], []))
    return compile(module, str(text.__file__), "exec")


def _compile(numba: Any, function: Any) -> Any:
    # inlined, the helpers share what they know of the memory: that alone makes it twice as fast
    options = {"nogil": True, "forceinline": function.__name__.startswith("_"), "_nrt": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to write to
        return numba.njit(**options)(function)
