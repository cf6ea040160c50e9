# Each target prepares all it needs, from a fresh clone on, and may be repeated.

SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python
PREPARED := .venv/.prepared
export QT_QPA_PLATFORM ?= offscreen

.PHONY: help venv run test test-all check format clean

help:
	@echo "make venv      prepare .venv and the system libraries of Qt"
	@echo "make run       run the main scenario, scenarios/edge-mnist.toml"
	@echo "make test      run the tests; make test-all also the slow ones"
	@echo "make check     lint, format, types and import rules"
	@echo "make format    rewrite the sources in the house's format"
	@echo "make clean     remove .venv, run folders and caches"

venv: $(PREPARED)

$(PREPARED): pyproject.toml tools/prepare-venv
	@tools/prepare-venv
	@touch $@

run: venv
	@.venv/bin/cosim run scenarios/edge-mnist.toml

test: venv
	@tools/qt-libraries
	@$(PYTHON_IN_VENV) -m pytest -q -m "not slow"

test-all: venv
	@tools/qt-libraries
	@$(PYTHON_IN_VENV) -m pytest -q

check: venv
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: venv
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

clean:
	rm -rf .venv runs build dist .pytest_cache .hypothesis .ruff_cache .mypy_cache *.egg-info
