# Everything a developer or an operator does here. `make help` prints this page.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
REDOCLY := @redocly/cli@2.77.0
# A process a core, each with a database server of its own; a file's tests stay together.
# The hundreds of processes that tests start read what the first ones compiled.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test check lint-openapi clients fuzz examples soak soak-mpesa format bench lock clean install

help: ## Print this page
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make the virtual environment, from the lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(INSTALLED) ## Start the whole house, with a database and a simulated M-Pesa of its own
	@DAYSTAR_DISBURSE_BY=$${DAYSTAR_DISBURSE_BY:-mpesa} $(BIN)/daystar up

test: $(INSTALLED) ## Run every test
	$(PYTEST)

check: $(INSTALLED) ## What CI runs: format, lint, types, the import arrow, every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory lint-openapi
	@$(MAKE) --no-print-directory clients
	$(PYTEST)

lint-openapi: $(INSTALLED) ## Hold the API's document to Redocly's recommended rules (needs npx)
	@if command -v npx >/dev/null; then \
		mkdir -p var && $(BIN)/daystar openapi > var/openapi.json && \
		REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
			npx --yes --prefer-offline $(REDOCLY) lint --extends=recommended var/openapi.json; \
	elif [ "$$CI" = true ]; then \
		echo "lint-openapi: npx is missing; CI must have it." >&2; exit 1; \
	else \
		echo "!!! The API's document was NOT linted: there is no npx. Install Node.js. !!!" >&2; \
	fi

clients: $(INSTALLED) ## Try public Daraja and webhook libraries, in environments of their own, on our house
	$(BIN)/python -m tests.conformance.clients

fuzz: $(INSTALLED) ## Ask the running application 10,000 things its OpenAPI document allows and forbids
	FUZZ_CASES=11000 $(BIN)/python -m pytest tests/integration/http/test_document_is_true.py

examples: $(INSTALLED) ## Write down anew what the house answers: the examples of the API's document
	RECORD_EXAMPLES=1 $(BIN)/python -m pytest tests/integration/http/test_examples.py

soak: $(INSTALLED) ## Rebuild everything over and over in a house at work, for SOAK_SECONDS (300)
	SOAK_SECONDS=$${SOAK_SECONDS:-300} $(BIN)/python -m pytest -s tests/stories/test_rebuild_under_load.py -k nobody_notices

soak-mpesa: $(INSTALLED) ## SOAK_PAYMENTS (5,000) payments and payouts while Safaricom lies and everything is killed
	SOAK_PAYMENTS=$${SOAK_PAYMENTS:-5000} $(BIN)/python -m pytest -s tests/stories/test_mpesa_soak.py

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
