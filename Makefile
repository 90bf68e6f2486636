# `make` lists the targets. Only Python 3.11 is needed; everything else is installed into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CITY ?= synthetic
ENTITIES ?= 50000
BENCH ?=

.PHONY: help install install-extra demo serve test check format bench notebooks reference lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Install what the lock file names into .venv

$(VENV)/.installed: requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "Qianfen needs Python 3.11, got $$("$(PYTHON)" --version). Set PYTHON=/path/to/python3.11."; exit 2; }
	@echo "Installing into $(VENV); this takes one to three minutes."
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --progress-bar off --disable-pip-version-check -r requirements.lock 2>&1 \
	  | awk '/^Collecting / { if (++n % 25 == 0) { print "  " n " packages"; fflush() } } \
	         /^(ERROR|error)/ { print; fflush() } /^Installing/ { print "  unpacking"; fflush() }'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install-extra: $(VENV)/.installed-extra ## Install what only benchmarks (peers), Spark and one rival need

$(VENV)/.installed-extra: $(VENV)/.installed requirements-extra.lock requirements-rivals.lock
	@echo "Installing the peers of the benchmarks, PySpark and optbinning (1 GB); this takes one to three minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-extra.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-rivals.lock
	@touch $@

demo: install ## From records to a graded, explained, served entity (CITY=synthetic|toronto, ENTITIES=50000)
	@$(BIN)/qianfen demo $(CITY) --entities $(ENTITIES)

serve: install ## Serve the newest grades of CITY: review pages and POST /v1/score
	@$(BIN)/qianfen serve $(CITY)

test: install ## Run the tests
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: install ## Lint, format, types, walls
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install-extra ## Run the benchmarks, or BENCH=name alone; results go to var/bench/
	@$(BIN)/python -m experiments.benchmarks $(BENCH)

notebooks: demo ## Execute the notebooks on CITY; results go to var/notebooks/
	@mkdir -p var/notebooks
	@for notebook in notebooks/*.nb.py; do \
	  target="var/notebooks/$$(basename "$$notebook" .nb.py).ipynb"; \
	  $(BIN)/jupytext --quiet --to ipynb --output "$$target" "$$notebook"; \
	  QIANFEN_CITY=$(CITY) $(BIN)/jupyter-execute --inplace "$$target" > "$$target.log" 2>&1 \
	    || { cat "$$target.log"; exit 1; }; \
	  rm "$$target.log"; echo "$$target"; \
	done

reference: install ## Write the reference pages in docs/ from the declarations
	@$(BIN)/qianfen reference

COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: install ## Renew the lock files from pyproject.toml
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	@$(COMPILE) --extra bench --extra spark --constraint requirements.lock \
	  --output-file requirements-extra.lock pyproject.toml
	@# optbinning's solver asks for protobuf 6 and runs with the 7 of the rest: its lock holds only what the rest lacks.
	@awk '/^[a-z]/ { is_protobuf = /^protobuf==/ } !is_protobuf' requirements.lock > $(VENV)/without-protobuf.txt
	@$(COMPILE) --no-annotate --extra rivals --constraint $(VENV)/without-protobuf.txt \
	  --output-file $(VENV)/rivals.txt pyproject.toml
	@awk -F== 'NR == FNR { known[$$1] = 1; next } /^[a-z]/ { is_new = !($$1 in known) } is_new' \
	  requirements.lock $(VENV)/rivals.txt > requirements-rivals.lock

clean: ## Remove what was built (var/), keep .venv
	@rm -rf var build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
