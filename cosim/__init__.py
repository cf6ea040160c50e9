"""Co-simulation of neural networks on edge accelerators: from a PyTorch network to its timeline.

What lives here imports neither Qt nor, outside `cosim.workload.capture`, torch.

The Python interface, each name imported when it is first used::

    from cosim import run, sweep, search, load_run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosim.explore.interface import run, sweep
    from cosim.explore.search import search
    from cosim.timeline.run_folder import load_run

__all__ = ["load_run", "run", "search", "sweep"]

__version__ = "0.1.0"

_PLACES = {
    "load_run": "cosim.timeline.run_folder",
    "run": "cosim.explore.interface",
    "search": "cosim.explore.search",
    "sweep": "cosim.explore.interface",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'cosim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
