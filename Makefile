# The commands a person types. `make demo` and `make test` are the whole set-up; see README.md.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
PACKAGES := client/truemark keeper/truemark_keeper devnet/truemark_devnet
# Two processes of tests, each with nodes of its own; a file of tests stays whole. They mostly wait.
TWO := -n 2 --dist loadfile
# One test or figure: `make bench ONLY=signing`, `make prove ONLY=contracts`.
ONLY ?=

.PHONY: help demo demo-incident drill test deep prove lint format contracts bench docs tools clean

help:
	@echo "make demo       builds what is missing, then runs a real day on two local nodes"
	@echo "make demo-incident  a database upgrade under running keepers, on a venue without guards and on a guarded one"
	@echo "make drill      the whole of 19 January 2026: the night, the recovery, the refunds; and the release beside it"
	@echo "make test       builds what is missing, then the tests (below 10 minutes)"
	@echo "make deep       the tests that take longer (below 25 minutes)"
	@echo "make prove      the properties on many more examples, as long as you like; ONLY=name for one"
	@echo "make lint       style, types and formatting of all languages"
	@echo "make format     puts the formatting right"
	@echo "make contracts  compiles the contracts and writes the ABIs that the client ships"
	@echo "make bench      the figures, each beside its baseline, to build/bench.json; ONLY=name for one"
	@echo "make docs       the documentation as a site, in build/site"
	@echo "make tools      finds or builds starknet-devnet, the Cairo compilers and anvil"
	@echo "make clean      removes build/ and .venv/ (the tools stay; truemark devnet clean removes them)"

.venv/.synced: pyproject.toml client/pyproject.toml keeper/pyproject.toml devnet/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON) (Python 3.11 or newer; Debian: apt install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "too old: $(PYTHON) is $$($(PYTHON) -V), 3.11 or newer is needed (make PYTHON=python3.12 ...)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: venv of $(PYTHON) (Debian: apt install python3-venv)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --all-packages
	@touch $@

docs: .venv/.synced
	@$(BIN)/uv sync --quiet --all-packages --all-extras --no-extra fast --inexact --group docs
	@$(BIN)/mkdocs build --strict

tools: .venv/.synced
	@$(BIN)/truemark devnet tools

contracts: tools
	@$(BIN)/truemark devnet contracts

demo: contracts
	@$(BIN)/truemark demo

demo-incident: contracts
	@$(BIN)/truemark demo-incident

drill: contracts
	@$(BIN)/truemark drill

test: contracts
	@$(BIN)/truemark devnet contracts --test
	@$(BIN)/pytest $(TWO) -m "not deep and not prove"

deep: contracts
	@$(BIN)/truemark devnet contracts --test-deep
	@$(BIN)/pytest $(TWO) -m deep

prove: contracts
	@TRUEMARK_EXAMPLES=prove $(BIN)/pytest -m "prove or not node" $(if $(ONLY),-k "$(ONLY)")

lint: tools
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(PACKAGES)
	@$(BIN)/truemark devnet contracts --lint

format: tools
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/truemark devnet contracts --format

bench: contracts
	@$(BIN)/truemark bench $(if $(ONLY),--only "$(ONLY)")

clean:
	@rm -rf build .venv
