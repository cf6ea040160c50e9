"""Train networks on real data: the same result for the same seed, and nothing lost on the way.

`run` trains a network by name; `load` finds the data; `load_network` reads a checkpoint back.
A training method beyond plain gradient descent (`RankAdaptation`) is a set of hooks of the loop.
"""

from models.training.checkpoint import Checkpoint, load_network, read, write
from models.training.data import Dataset, load
from models.training.loop import evaluate
from models.training.method import Method, RankAdaptation
from models.training.run import Result, run

__all__ = [
    "Checkpoint",
    "Dataset",
    "Method",
    "RankAdaptation",
    "Result",
    "evaluate",
    "load",
    "load_network",
    "read",
    "run",
    "write",
]
