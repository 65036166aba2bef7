# make setup   the environment in .venv, only what changed since the last time
# make demo    a delivery in simulation, with set-up
# make test    all tests, with set-up
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?=

.PHONY: setup ext demo test lint bench clean

setup:
	@$(PYTHON) src/environment/install.py

ext:
	@$(PYTHON) src/environment/install.py kernels

demo: setup
	@$(BIN)/lastmile demo

test: setup
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

bench: setup
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

scorecard-%: setup
	@$(BIN)/lastmile scorecard $*

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.so' -delete
