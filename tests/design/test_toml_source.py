"""Every key of a TOML file is found on the line where it is written."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design.toml_source import parse_toml, read_toml
from cosim.errors import CosimError

KEYS = st.text("abcXYZ019_-", min_size=1, max_size=5) | st.sampled_from(['"a b"', '"x.y"', "'#'"])
VALUES = st.sampled_from(
    ["1", "-2.5e3", "true", '"text # no comment"', "'it # is'", '"""\ntwo\nlines\n"""',
     "[1, 2]", '[\n  "a", # first\n  "b]",\n]', "{ p = 1, q = [2, { r = 3 }] }", "1979-05-27"]
)  # fmt: skip


def unquoted(key: str) -> str:
    return key[1:-1] if key[0] in "\"'" else key


@given(
    tables=st.lists(st.tuples(KEYS, st.lists(st.tuples(KEYS, VALUES), max_size=4)), max_size=4),
    blanks=st.integers(0, 2),
)
def test_each_key_is_on_its_line(tables, blanks):
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    seen: set[str] = set()
    for name, pairs in tables:
        table = unquoted(name)
        if table in seen:
            continue
        seen.add(table)
        lines += ["# a comment = 1"] * blanks
        expected[(table,)] = len(lines) + 1
        lines.append(f"[{name}]  # why")
        for key, value in pairs:
            if (table, unquoted(key)) in expected:
                continue
            expected[(table, unquoted(key))] = len(lines) + 1
            lines += f"{key} = {value}".split("\n")
    text = "\n".join(lines)
    source = parse_toml(text, "f.toml")
    assert source.values == tomllib.loads(text)
    assert {path: line for path, line in source.lines.items() if path in expected} == expected


def test_nested_places():
    text = 'a.b = 1\nt = [\n 1,\n { x = 2,\ty = 3 }]\n[[e]]\nn = 1\n[e.s]\nm = 2\n[[e]]\n"n" = 3\n'
    source = parse_toml(text, "f.toml")
    assert source.lines[("a", "b")] == 1
    assert source.lines[("t", 1, "y")] == 4
    assert source.lines[("e", 0, "s", "m")] == 8
    assert source.where(("e", 1, "n")) == "f.toml:10"


def test_a_key_that_is_not_written_is_placed_at_what_surrounds_it():
    source = parse_toml("x = 1\n\n[a.b]\nc = 1\n", "f.toml")
    assert source.where(("a", "b", "missing")) == "f.toml:3"
    assert source.where(("a",)) == "f.toml:3"
    assert source.where(("missing",)) == "f.toml"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = ", 2), ("a = 1\na = 2\n", 2), ('a = "x', 1), ("x = 1\n[a\ny = 2", 2)],
)
def test_a_syntax_error_names_its_line(text, line):
    with pytest.raises(CosimError) as error:
        parse_toml(text, "f.toml")
    assert error.value.where == f"f.toml:{line}"
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    (tmp_path / "board.toml").write_text("")
    with pytest.raises(CosimError, match=r"no such file; did you mean 'board.toml'"):
        read_toml(tmp_path / "bord.toml")


def test_what_is_no_text_file_is_said(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"a = \xff\xfe")
    with pytest.raises(CosimError, match="not UTF-8"):
        read_toml(tmp_path / "binary.toml")
    with pytest.raises(CosimError, match="directory"):
        read_toml(tmp_path)
