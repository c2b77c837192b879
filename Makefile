# Everything a newcomer needs; `make help` lists it. CI runs `make check` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# `local-models` beside them brings torch (1.3 GB and more); docs/local-models.md.
EXTRAS ?= local,processors,test
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup run test torture check format bench clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything that running and testing need

$(STAMP): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed: apt-get install python3.11 python3.11-venv"; exit 1; fi
	@if [ ! -x $(BIN)/python ]; then \
		$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
			echo "Its venv module is missing: apt-get install python3-venv"; exit 1; }; fi
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	$(BIN)/python -m catalog.local.prepare
	@touch $@

run: setup ## Start everything on this machine, with demo assets (ARGS="…" passes options on)
	@$(BIN)/catalog up --demo $(ARGS)

test: setup ## Run the whole test suite on real servers (ARGS="…" goes to pytest)
	@$(BIN)/python -m tests $(ARGS)

torture: setup ## Kill, cut and poison for days, resumable (ARGS="--rows … --minutes …", "--table")
	@$(BIN)/python -m tests.torture $(ARGS)

check: setup ## Lint, format, types, import contracts, spelling, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m catalog.settings_page --check
	$(BIN)/python -m catalog.repositories.mongo.records_page --check

format: setup ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Measure the whole catalog on real servers (ARGS="--assets 20000" …)
	@$(BIN)/python -m bench $(ARGS)

clean: ## Remove .venv and caches (data under .catalog stays)
	rm -rf $(VENV) .venv-compose .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
