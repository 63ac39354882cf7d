# A virtual environment in .venv, made from $(PYTHON), holds the project as an editable install: changed Python files
# need no new installation; changed build files or native sources bring one about by themselves.

PYTHON ?= python3
ifneq ($(wildcard ../shared/data),)
export UNSTUCK_DATA ?= $(abspath ../shared/data)
endif

VENV := .venv
NATIVE := $(wildcard src/unstuck/native/*.[ch]pp)
BUILD := pyproject.toml CMakeLists.txt $(NATIVE)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## run the five cases, as they were and cured
	$(VENV)/bin/unstuck cases

test: $(VENV)/installed-dev  ## run all tests and examples, with coverage (pytest's options: make test ARGS="-k dropout")
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest --numprocesses=auto --maxprocesses=4 --cov $(ARGS)

lint: $(VENV)/installed-dev  ## check style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/clang-format --dry-run --Werror $(NATIVE)
	$(VENV)/bin/mypy

bench: $(VENV)/installed-bench  ## run the benchmarks, about ten minutes
	$(VENV)/bin/python -m benchmarks

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist .coverage .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/installed: $(BUILD) | $(VENV)/bin/python
	$(PIP) install --editable .
	touch $@

$(VENV)/installed-dev: $(BUILD) | $(VENV)/bin/python
	$(PIP) install --editable '.[test,lint]'
	touch $@ $(VENV)/installed

$(VENV)/installed-bench: $(BUILD) | $(VENV)/bin/python
	$(PIP) install --editable '.[bench]'
	touch $@ $(VENV)/installed

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; say where it is: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
