"""What several commands take: settings of keys, and a folder to write to."""

from __future__ import annotations

from pathlib import Path

from cosim.errors import CosimError


def setting(text: str) -> tuple[str, list[object]]:
    """``KEY=1,2`` as a key and its values."""
    from cosim.design.overrides import parse_override

    try:
        key, value = parse_override(text)
    except CosimError as error:
        raise error.at("--set") from None
    if isinstance(value, list):
        return key, value
    if isinstance(value, str) and "," in value:
        return key, [parse_override(f"{key}={part}")[1] for part in value.split(",")]
    return key, [value]


def check_out(out: Path) -> None:
    """Refuse before hours of work what could not be written after them."""
    for folder in (out, *out.parents):
        if folder.exists():
            if not folder.is_dir():
                raise CosimError("is a file", where=f"--out {folder}", expected="a folder")
            return


def counted(count: int, noun: str) -> str:
    """``1 point``, ``2 points``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
