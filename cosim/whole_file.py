"""Writes a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cosim.errors import CosimError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """An empty file beside `path` to write to; it takes the name if the block ends well.

    Raises
    ------
    CosimError
        A folder that cannot be made, a place that cannot be written, a full disk; what was at
        `path` before is still there then.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        part = Path(name)
        yield part
        part.chmod(0o644)  # a temporary file is private
        part.replace(path)
    except OSError as error:
        raise CosimError(error.strerror or str(error), where=str(path)) from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> Path:
    """Write `text` to `path` whole or not at all, see `whole_file`; returns `path`."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def check_writable(path: Path) -> None:
    """Raise `CosimError` if no file could be written to `path`; makes its folder."""
    if path.is_dir():
        raise CosimError("is a folder", where=str(path), expected="a file to write")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise CosimError(error.strerror or str(error), where=str(path)) from None
