"""The dispatcher: what goes wrong is one line and a non-zero exit; nothing is imported early."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from cosim import __version__
from cosim.cli import main as dispatcher
from cosim.cli.main import COMMANDS, main
from cosim.errors import CosimError, CosimErrors


def said(capsys) -> str:
    """What was printed on standard error; nothing may have gone to standard output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err.rstrip("\n")


def loaded_modules(arguments: list[str]) -> set[str]:
    """Top-level names of all modules that a command line has imported when it is done."""
    code = (
        "import sys\nfrom cosim.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def failing(monkeypatch):
    """Makes the `list` command fail with a given exception."""

    def install(error: BaseException) -> None:
        def run(args):
            raise error

        monkeypatch.setattr(import_module("cosim.cli.list"), "run", run)

    return install


def test_help_names_every_command_with_an_example(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    printed = capsys.readouterr().out
    assert done.value.code == 0
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert "example:\n  cosim run" in printed


def test_no_arguments_print_the_help(capsys):
    assert main([]) == 0
    assert "commands:" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"cosim {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as done:
        main([name, "--help"])
    printed = capsys.readouterr().out
    assert done.value.code == 0
    assert f"cosim {name} " in printed.partition("example")[2]


def test_every_command_file_is_offered():
    folder = Path(dispatcher.__file__).parent
    offered = {file.stem for file in folder.glob("*.py")} - {"__init__", "main"}
    modules = {name: import_module(f"cosim.cli.{name}") for name in offered}
    commands = {name for name, module in modules.items() if hasattr(module, "add_arguments")}
    assert commands == set(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lst"], "did you mean 'list'?"),
        (["--versoin"], "did you mean '--version'?"),
        (["list", "bords"], "did you mean 'boards'?"),
        (["list", "boards", "--jsno"], "did you mean '--json'?"),
        (["list"], "required: what"),
    ],
)
def test_a_mistyped_command_line_is_one_line_and_exit_2(arguments, expected, capsys):
    assert main(arguments) == 2
    message = said(capsys)
    assert message.startswith("cosim")
    assert expected in message
    assert len(message.splitlines()) == 1


def test_a_user_error_is_one_line_and_exit_2(failing, capsys):
    failing(CosimError("bad", where="a.toml:3", expected="good"))
    assert main(["list", "boards"]) == 2
    assert said(capsys) == "cosim: a.toml:3: bad; expected good"


def test_several_errors_are_a_line_each(failing, capsys):
    failing(CosimErrors([CosimError("one"), CosimError("two")]))
    assert main(["list", "boards"]) == 2
    assert said(capsys) == "cosim: one\ncosim: two"


def test_an_interrupt_is_one_line_and_exit_130(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["list", "boards"]) == 130
    assert said(capsys) == "cosim: interrupted"


def test_a_missing_extra_is_named(failing, capsys):
    failing(ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow.parquet"))
    assert main(["list", "boards"]) == 2
    assert said(capsys) == "cosim: needs pyarrow.parquet: pip install 'edge-cosim[parquet]'"


def test_a_system_error_names_the_file(failing, capsys):
    failing(PermissionError(13, "Permission denied", "/somewhere"))
    assert main(["list", "boards"]) == 2
    assert said(capsys) == "cosim: /somewhere: Permission denied"


def test_a_model_error_is_one_line(failing, capsys):
    from models.errors import ModelError

    failing(ModelError("unknown\n network"))
    assert main(["list", "boards"]) == 2
    assert said(capsys) == "cosim: unknown network"


@pytest.mark.parametrize(
    "defect", [ValueError("a defect"), ModuleNotFoundError("No module named 'x'", name="x")]
)
def test_a_defect_of_the_program_keeps_its_traceback(defect, failing):
    failing(defect)
    with pytest.raises(type(defect)):
        main(["list", "boards"])


def test_a_reader_that_has_seen_enough_is_no_error():
    shell = f"{sys.executable} -m cosim list parts | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_help_imports_no_command_and_nothing_heavy():
    loaded = loaded_modules(["--help"])
    assert not {f"cosim.cli.{name}" for name in COMMANDS} & loaded
    assert not {"numpy", "torch", "pydantic", "rich", "simpy", "PyQt6", "tomllib"} & loaded


def test_listing_boards_needs_no_validation_library():
    assert not {"numpy", "torch", "pydantic", "models"} & loaded_modules(["list", "boards"])


def test_extras_name_modules_that_the_extra_brings():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert set(dispatcher.EXTRAS.values()) <= set(project["project"]["optional-dependencies"])


def test_json_lists_parse(capsys):
    for what in ("boards", "parts", "scenarios"):
        assert main(["list", what, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert all(row["name"] and "description" in row for row in rows)
