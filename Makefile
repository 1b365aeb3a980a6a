# Every verb of the project. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
STAMP := $(VENV)/.setup

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format goldens bench campaign clean

help: ## list the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## prepare .venv from the hash-pinned lock file (idempotent)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Meshline needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Set PYTHON=python3.12, for example." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (about half a minute the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q domain sourcing policies connectors store activities workflows gateway scenarios cli simulators bench worker.py starter.py || true
	@touch $@

demo: setup ## run the example orders through everything: make demo ARGS="--orders 80 --exit"
	@$(BIN)/meshline demo $(ARGS)

up: setup ## start Meshline and serve: make up ARGS="--simulate"
	@$(BIN)/meshline up $(ARGS)

# three processes: on two cores they wait for timers and servers for a third of the time
test: setup ## every test at CI size: make test ARGS="tests/policies -n 0"
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

check: setup ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## let ruff format the code
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .

goldens: setup ## record the golden histories anew (a replay-visible change)
	@$(BIN)/python -m tests.replay.record

bench: setup ## Actions of an order, throughput, decisions, backtests, the import, sourcing, invoices
	@$(BIN)/python -m bench.budget 2>/dev/null
	@$(BIN)/python -m bench.throughput
	@$(BIN)/python -m bench.decide
	@$(BIN)/python -m bench.backtest
	@$(BIN)/python -m bench.importing
	@$(BIN)/python -m bench.plan
	@$(BIN)/python -m bench.sourcing
	@$(BIN)/python -m bench.reevaluate
	@$(BIN)/python -m bench.invoice_audit

campaign: setup ## storms, kills and stories at full size, with the report in docs/campaign.md (hours)
	@$(BIN)/python -m bench.campaign $(ARGS)

clean: ## remove everything that the verbs created here
	rm -rf $(VENV) .meshline .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
