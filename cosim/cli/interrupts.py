"""What an interrupt does to a long command: the first ends it in good order, the second at once."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """While it lasts, Ctrl-C and a polite request to end (SIGTERM, of a batch system) are alike.

    The first raises `KeyboardInterrupt`, whoever is at work keeps what is done. Any further one
    ends the process there and then: worker processes end with it, and a store keeps every chunk
    that was written.
    """

    def __init__(self) -> None:
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            raise KeyboardInterrupt
        # not through sys.stderr: it may be in the middle of a line
        shown = _SHOW_CURSOR if sys.stderr.isatty() else b""
        os.write(2, shown + b"\ncosim: interrupted again, ended at once\n")
        os._exit(130)


def resume_command(args: argparse.Namespace) -> str:
    """The command line that was given, to go on with."""
    words = ["cosim", *args.given]
    return shlex.join(words if args.resume else [*words, "--resume"])
