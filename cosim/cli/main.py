"""Chooses the command, and says in one line what went wrong.

Exit status: 0 done, 1 the command's own "no" (a failed validation), 2 a mistake in the input,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from cosim import __version__
from cosim.errors import CosimError, nearest, unknown
from cosim.memo import collect_seldom

COMMANDS = {
    "run": "run a scenario: table, breakdown, HTML report and run folders",
    "sweep": "run thousands of points of a scenario: Pareto front, table, resumable store",
    "search": "look for the best points of a scenario without running all of them",
    "show": "show a run: summary, latency breakdown, memory",
    "compare": "compare runs, layer by layer and cause by cause",
    "export": "write a run's timeline in another format",
    "capture": "capture a PyTorch network as a workload file",
    "validate": "compare with published hardware and trusted simulators",
    "bench": "measure how fast the executors are, against their goals",
    "train": "train a network on real data",
    "render": "draw a panel of a run to a PNG, SVG, PDF or CSV file",
    "gui": "open the desktop program",
    "list": "list boards, parts, networks or scenarios",
}
"""Every command with its line in ``cosim --help``, in the order of a first encounter."""

EXTRAS = {
    "distributed": "cluster",
    "optuna": "search",
    "PyQt6": "gui",
    "numba": "fast",
    "onnx": "onnx",
    "pyarrow": "parquet",
    "pyqtgraph": "gui",
    "safetensors": "train",
    "torch": "train",
}
"""Which extra of the distribution brings a module that need not be there."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are `CosimError`, with the nearest valid option."""

    def error(self, message: str) -> NoReturn:
        raise CosimError(
            f"{message} (see {self.prog} --help)", where=self.prog, nearest=self._nearest(message)
        )

    def _nearest(self, message: str) -> str:
        """The valid word closest to the one that argparse complains about in `message`."""
        wrong_option = re.match(r"unrecognized arguments: (-[^\s=]+)", message)
        if wrong_option:
            return nearest(wrong_option[1], self._option_string_actions)
        wrong_choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong_choice:
            return nearest(wrong_choice[1], re.findall(r"[^', ]+", wrong_choice[2]))
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the process by default.
    """
    if arguments is None:  # this is the whole process
        collect_seldom()
    try:
        status = _dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        # the reader (head, less) has seen enough; nothing is left to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except CosimError as error:
        return _say(str(error), 2)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _say(f"needs {error.name}: pip install 'edge-cosim[{extra}]'", 2)
    except OSError as error:
        return _say(f"{error.filename or 'system'}: {error.strerror or error}", 2)
    except ValueError as error:
        if not _is_model_error(error):
            raise
        return _say(" ".join(str(error).split()), 2)


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if not name or name.startswith("-"):
        parser = _top_parser()
        parser.parse_args(arguments)
        parser.print_help()
        return 0
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS, where="cosim")
    command = import_module(f"cosim.cli.{name}")
    parser = Parser(
        prog=f"cosim {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    args = parser.parse_args(arguments[1:])
    args.given = arguments
    status: int = command.run(args)
    return status


def _top_parser() -> Parser:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog="cosim",
        usage="cosim COMMAND [ARGUMENTS]",
        description="Where the time, energy and memory of a neural network go on an edge machine.",
        epilog=f"commands:\n{lines}\n\nexample:\n  cosim run scenarios/edge-mnist.toml\n\n"
        "cosim COMMAND --help explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cosim {__version__}")
    return parser


def _is_model_error(error: ValueError) -> bool:
    # asked of the loaded modules: `models` needs torch, which most commands never import
    module = sys.modules.get("models.errors")
    return module is not None and isinstance(error, module.ModelError)


def _say(message: str, status: int) -> int:
    for line in message.splitlines():
        print(line if line.startswith("cosim") else f"cosim: {line}", file=sys.stderr)
    return status
