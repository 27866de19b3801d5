# SPDX-License-Identifier: Apache-2.0
# The developer's whole interface. Needs python3 (3.11 or later), pip, git and, for the tests, apt.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PORT ?= 8000
DATA ?= ./data
SECONDS ?= 60
TARGETS ?=
TRIALS ?= 500
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check
# What the tests need of the system: a browser with letters to draw, and servers to compare and work with.
SYSTEM := chromium curl fonts-liberation nginx-light postgresql varnish varnish-modules
FAST := not slow and not browser and not clients and not postgres and not crash and not full

# A virtual environment that somebody else looks after (it holds a file `.shared`) is used as it is.
ifneq ($(wildcard $(VENV)/.shared),)
RUNTIME :=
TOOLS :=
FUZZER :=
else
RUNTIME := $(VENV)/.runtime-ready
TOOLS := $(VENV)/.tools-ready
FUZZER := $(PIP) --no-deps --require-hashes -r requirements/fuzz.txt &&
endif
export PYTHONPATH := src

.PHONY: help serve test test-full crash-test check fuzz bench pictures docs migrations lock format clean system azurite

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

serve: $(RUNTIME) ## start Packhouse: make serve [PORT=8000] [DATA=./data]
	@exec $(BIN)/python -m packhouse serve --port $(PORT) --data $(DATA)

test: $(TOOLS) system ## install what is missing and run every test but the longest
	@$(BIN)/python -m tests.infra.run

test-full: $(TOOLS) system azurite ## run every test there is
	@$(BIN)/python -m tests.infra.run --full

crash-test: $(TOOLS) system ## kill servers, one and three, and cut power hundreds of times, and look for what is lost; make crash-test [TRIALS=500] [CRASH=--write]
	@$(BIN)/python -m tests.crash --trials $(TRIALS) $(CRASH)

check: $(TOOLS) ## format, lint, types, imports and the fast tests
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .lint-imports.log || { cat .lint-imports.log; exit 1; }
	@PACKHOUSE_TEST_PROFILE=quick $(BIN)/python -m pytest -q -m "$(FAST)"

fuzz: $(TOOLS) ## fuzz the readers of uploads: make fuzz [SECONDS=60] [TARGETS="zip tar"]
	@$(FUZZER) $(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(TARGETS)

bench: SYSTEM := nginx-light wrk
bench: $(TOOLS) system ## measure ours beside nginx (benchmarks/README.md); BENCH=... are options
	@$(BIN)/python -m benchmarks $(BENCH)

pictures: $(TOOLS) system ## take the pictures of the documentation anew
	@$(BIN)/python -m tests.infra.pictures

docs: $(TOOLS) ## check the documentation: links, and that all there is to know is written down
	@$(BIN)/python -m pytest -q tests/test_docs.py

migrations: $(TOOLS) ## write the migrations that changed models need
	@$(BIN)/python -m tests.infra.migrations

lock: $(TOOLS) ## resolve the dependencies anew into requirements/*.txt
	@tools/lock

format: $(TOOLS) ## format the code and mend what can be mended
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

clean: ## remove what was made (not ./data)
	@rm -rf build dist .test .coverage* htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@[ -e $(VENV)/.shared ] || rm -rf $(VENV)

azurite:
	@tools/install-azurite

system:
	@tools/install-system $(SYSTEM)

$(VENV)/bin/python:
	@echo "Making $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Packhouse needs Python 3.11 or later: make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV) || { tools/install-system python3-venv && $(PYTHON) -m venv --clear $(VENV); }

$(VENV)/.runtime-ready: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Packhouse needs (the first time takes a minute) ..."
	@$(PIP) --no-deps --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-deps --require-hashes -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.tools-ready: requirements/test.txt $(VENV)/.runtime-ready
	@echo "Installing what the tests need ..."
	@$(PIP) --no-deps --require-hashes -r requirements/test.txt
	@touch $@
