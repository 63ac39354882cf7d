# A virtual environment in .venv, made from $(PYTHON), holds the project as an editable install: changed Python files
# need no new installation; changed build files or native sources bring one about by themselves.

PYTHON ?= python3
ifneq ($(wildcard ../shared/data),)
export UNSTUCK_DATA ?= $(abspath ../shared/data)
endif

VENV := .venv
comma := ,
NATIVE := $(wildcard src/unstuck/native/*.[ch]pp)
FORMATTED := $(NATIVE) $(wildcard tests/native/*.[ch]pp)
BUILD := pyproject.toml CMakeLists.txt $(NATIVE)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench reliability fuzz sanitize arm64 clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## run the five cases, as they were and cured
	$(VENV)/bin/unstuck cases

test: $(VENV)/installed-dev  ## run all tests and examples, with coverage (pytest's options: make test ARGS="-k dropout")
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest --numprocesses=auto --maxprocesses=4 --cov $(ARGS)

lint: $(VENV)/installed-dev  ## check style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/clang-format --dry-run --Werror $(FORMATTED)
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy tests/typed.py

bench: $(VENV)/installed-bench  ## run the benchmarks, about ten minutes
	$(VENV)/bin/python -m benchmarks

reliability: $(VENV)/installed-dev  ## kill 100 trainings, mutate 10,000 files of each kind, draw 10,000 bad inputs: about 15 minutes
	UNSTUCK_KILLS=100 UNSTUCK_MUTANTS=10000 OMP_NUM_THREADS=1 $(VENV)/bin/pytest tests/reliability \
	  --numprocesses=auto --maxprocesses=4 $(ARGS)

FUZZ_SECONDS ?= 300

fuzz: $(VENV)/installed-dev  ## fuzz the compiled functions and the readers of IDX and CSV, five minutes each
	$(PIP) install --editable '.[fuzz]'
	for target in native idx csv; do mkdir -p build/fuzz/$$target && \
	  OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python tests/reliability/fuzz $$target \
	  -max_total_time=$(FUZZ_SECONDS) -max_len=1500 -rss_limit_mb=3000 -print_final_stats=1 \
	  -artifact_prefix=build/fuzz/$$target- build/fuzz/$$target || exit; done

# docs/engine.md, "Checking memory and threads", explains the settings. -S keeps the editable install out of the way: its
# import hook would come before PYTHONPATH.
SANITIZED := $(abspath build/sanitized)
library = $(shell g++ -print-file-name=$(1))
packages = $(shell $(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
headers = $$($(VENV)/bin/python -c 'import nanobind, sysconfig; \
  print("-isystem", nanobind.include_dir(), "-isystem", sysconfig.get_path("include"))')
tests_on = PYTHONPATH=$(SANITIZED)/$(1):$(packages) PYTHONMALLOC=malloc OPENBLAS_NUM_THREADS=1 \
  $(VENV)/bin/python -S -m pytest -q --capture=sys -p no:cacheprovider
MEMORY_OF_ITS_OWN = $(addprefix --deselect tests/training/,test_mapped.py::test_memory_does_not_hold_a_copy \
  test_streaming.py::test_memory_is_bounded_however_many_rows_there_are)  # which AddressSanitizer needs
WITH_POLARS = test_train.py test_streaming.py  # whose allocator does not start under ThreadSanitizer
define build_with
	$(PIP) install --no-deps --upgrade --target $(SANITIZED)/$(1) --config-settings=install.strip=false \
	  --config-settings=cmake.define.UNSTUCK_SANITIZE=$(2) --config-settings=build-dir=$(SANITIZED)/$(1)-objects .
	$(MAKE) -C tests/native BUILD=$(SANITIZED)/$(1)-tests CXX=g++ \
	  FLAGS="-O1 -g -fsanitize=$(2) -fno-sanitize-recover=undefined"
endef

sanitize: $(VENV)/installed-dev  ## run the engine's tests under gcc's checks of memory and of threads, about six minutes
	$(call build_with,memory,address$(comma)undefined)
	LD_PRELOAD="$(call library,libasan.so) $(call library,libubsan.so) $(call library,libstdc++.so)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=2 \
	  $(call tests_on,memory) tests/engines tests/training $(MEMORY_OF_ITS_OWN) $(ARGS)
	$(call build_with,threads,thread)
	LD_PRELOAD="$(call library,libtsan.so)" TSAN_OPTIONS=halt_on_error=1 OMP_NUM_THREADS=3 \
	  $(call tests_on,threads) tests/engines tests/training $(addprefix --ignore=tests/training/,$(WITH_POLARS)) $(ARGS)

arm64: $(VENV)/bin/python  ## compile the engine for ARM64 and run its C++ tests in an emulator
	$(PIP) install nanobind
	for source in module engine; do aarch64-linux-gnu-g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Wno-psabi \
	  $(headers) src/unstuck/native/$$source.cpp || exit; done
	$(MAKE) -C tests/native BUILD=$(abspath build/arm64) CXX=aarch64-linux-gnu-g++ FLAGS="-O2 -Wno-psabi" ISAS=baseline \
	  RUN="qemu-aarch64 -L /usr/aarch64-linux-gnu"

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist .coverage .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# pip compiles behind a screen: what takes so long is said.
saying = @echo "Installing unstuck with $(1) into $(VENV), and compiling its engine: some minutes the first time ..."

$(VENV)/installed: $(BUILD) | $(VENV)/bin/python
	$(call saying,what it rests on)
	$(PIP) install --editable .
	touch $@

$(VENV)/installed-dev: $(BUILD) | $(VENV)/bin/python
	$(call saying,what its tests need)
	$(PIP) install --editable '.[test,lint]'
	touch $@ $(VENV)/installed

$(VENV)/installed-bench: $(BUILD) | $(VENV)/bin/python
	$(call saying,what its benchmarks need)
	$(PIP) install --editable '.[bench]'
	touch $@ $(VENV)/installed

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; say where it is: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
