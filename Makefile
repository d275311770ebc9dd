# Everything a developer or an operator does here. `make help` prints this page.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help run test check fuzz soak format bench lock clean install

help: ## Print this page
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make the virtual environment, from the lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(INSTALLED) ## Start the whole house, with a database and a simulated M-Pesa of its own
	@$(BIN)/daystar up

test: $(INSTALLED) ## Run every test
	$(BIN)/python -m pytest

check: $(INSTALLED) ## What CI runs: format, lint, types, the import arrow, every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

fuzz: $(INSTALLED) ## Ask the running application 10,000 things its OpenAPI document allows and forbids
	FUZZ_CASES=10000 $(BIN)/python -m pytest tests/integration/http/test_document_is_true.py

soak: $(INSTALLED) ## Rebuild everything over and over in a house at work, for SOAK_SECONDS (300)
	SOAK_SECONDS=$${SOAK_SECONDS:-300} $(BIN)/python -m pytest -s tests/stories/test_rebuild_under_load.py -k nobody_notices

format: $(INSTALLED) ## Put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## Measure, beside peers and limits; writes var/bench.json and README's table
	$(BIN)/python -m tests.benchmarks

lock: ## Resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --no-emit-find-links --no-annotate --output-file requirements.lock

clean: ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) var
