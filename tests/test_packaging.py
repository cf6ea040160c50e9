"""The distribution: what it brings, what it leaves optional, and that its data comes along."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pytest

from cosim import design

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("cosim", "gui", "models", "scenarios")
HEAVY = {"torch", "PyQt6", "pyqtgraph", "pandas", "matplotlib"}


def distribution_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0] for requirement in requirements}


def tracked(folder: str) -> list[str]:
    """Files of a folder that a clone has."""
    listed = subprocess.run(
        ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def test_the_simulator_alone_needs_neither_torch_nor_qt():
    base = distribution_names(PROJECT["project"]["dependencies"])
    assert base == {"simpy", "numpy", "pydantic", "rich"}


def test_extras():
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"gui", "train", "onnx", "dev"} <= set(extras)
    assert "torch==2.13.0" in extras["train"], "a range takes an accelerator build"
    assert "<6.12" in next(line for line in extras["gui"] if line.startswith("PyQt6"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_data_file_is_packaged(package):
    patterns = PROJECT["tool"]["setuptools"]["package-data"][package]
    for name in tracked(package):
        inside = name.removeprefix(package + "/")
        # fnmatch knows no **: a star crosses folders anyway
        matched = any(fnmatch(inside, pattern.removeprefix("**/")) for pattern in patterns)
        assert name.endswith(".py") or matched, name


def test_boards_and_scenarios_are_found_as_package_data():
    boards = files("cosim.design.catalogue").joinpath("boards")
    assert {board.name for board in boards.iterdir()} == {f"{name}.toml" for name in design.names()}
    assert files("scenarios").is_dir()


def test_every_package_folder_is_a_package():
    for package in PACKAGES:
        for name in tracked(package):
            if name.endswith(".py"):
                assert (ROOT / name).with_name("__init__.py").exists(), name


def test_importing_all_of_cosim_brings_neither_torch_nor_qt():
    code = (
        "import pkgutil, sys, cosim\n"
        "for module in pkgutil.walk_packages(cosim.__path__, 'cosim.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        __import__(module.name)\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert not HEAVY & set(done.stdout.split())


def test_scripts_can_be_run():
    for script in (".ci/run", "tools/prepare-venv", "tools/qt-libraries"):
        assert os.access(ROOT / script, os.X_OK), script
        assert subprocess.run(["bash", "-n", ROOT / script]).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="system libraries are looked for on Linux")
def test_missing_qt_libraries_are_one_line_where_nobody_may_install(tmp_path):
    for name, body in {"ldconfig": "echo 'libGL.so.1 (x) => x'", "id": "echo 1000"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [ROOT / "tools/qt-libraries"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "sudo apt-get install libegl1 " in done.stderr
    assert "libgl1" not in done.stderr


def test_make_offers_what_the_documentation_names():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"venv", "run", "test", "test-all", "check"} <= targets
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_the_licence_is_the_gpl():
    assert PROJECT["project"]["license"] == "GPL-3.0-or-later"
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text()
