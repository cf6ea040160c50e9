"""``python -m models.results TOPIC``: measure a topic's tables and print them."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import torch

import models.results
from models.errors import ModelError, unknown
from models.results.document import replace_section


def topics() -> list[str]:
    """Return the names of the topic modules: those that can run."""
    found = [module.name for module in iter_modules(models.results.__path__)]
    return [n for n in found if n != "__main__" and hasattr(_topic(n), "add_arguments")]


def _topic(name: str):
    return import_module(f"models.results.{name}")


def main(arguments: list[str]) -> int:
    """Run one topic and return the exit status."""
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(f"usage: python -m models.results TOPIC [--help]\ntopics: {', '.join(topics())}")
        return 0
    try:
        if name not in topics():
            raise unknown("topic", name, topics())
        module = _topic(name)
        parser = argparse.ArgumentParser(
            prog=f"python -m models.results {name}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--data", help="path of the full mnist.npz")
        parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
        parser.add_argument("--out", default="runs/results", help="where training runs are kept")
        parser.add_argument("--write", metavar="FILE", help="put the tables into this document")
        module.add_arguments(parser)
        options = parser.parse_args(arguments[1:])
        torch.set_num_threads(1)
        text = module.run(options)
        print(text)
        if options.write:
            replace_section(Path(options.write), name, text)
    except ModelError as error:
        print(f"models.results: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
