# Needs only make and Python 3.11 or newer with venv. `make PYTHON=python3.12 …` chooses another Python.
.DEFAULT_GOAL := help
.PHONY: help install install-dev run demo test test-unit coverage lint first-runs mutants audit format migration metrics-docs boards schemas lock bench clean
.DELETE_ON_ERROR:

# What a shell sets for other programs; here it would change what is installed, or how it runs. Of pip's variables only those
# stay that say where packages come from. What a pip.conf says of the two last would end the installation.
unexport $(filter-out PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX,$(filter PYTHON%,$(.VARIABLES)))
unexport $(filter-out PIP_CONFIG_FILE PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_TRUSTED_HOST PIP_CERT \
	PIP_CLIENT_CERT PIP_PROXY PIP_RETRIES PIP_TIMEOUT PIP_DEFAULT_TIMEOUT PIP_KEYRING_PROVIDER PIP_CACHE_DIR PIP_NO_CACHE_DIR, \
	$(filter PIP_%,$(.VARIABLES)))
export PIP_USER := 0
export PIP_REQUIRE_HASHES := 0

PYTHON ?= $(or $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
BIN := .venv/bin
# Not bin/firsthour: its first line holds our whole path, which a shell reads again.
FIRSTHOUR := $(BIN)/python -P -m services.cli.main
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The build backend looks for its own program on the path. Where we are it writes as a whole path, which Python cannot read
# in the locale C once a letter of it is no ASCII; a relative one it always can.
OURSELVES := PATH="$$PWD/$(BIN):$$PATH" $(PIP) --no-deps --no-build-isolation --editable . && \
	for path in .venv/lib/python3*/site-packages/firsthour.pth; do echo ../../../.. > "$$path"; done
ARGS ?=
# Tests at once. A third one makes two processors late everywhere: measured, the run takes longer.
WORKERS ?= 2

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-12s %s\n", $$1, $$2}'

install: .venv/installed ## The environment in .venv; then .venv/bin/firsthour works

install-dev: .venv/installed-dev ## The same, with what the tests, lint and benchmarks need

run: .venv/installed ## Everything on this machine, ready when it says so (ARGS="--state DIR" …)
	@exec $(FIRSTHOUR) run $(ARGS)

demo: .venv/installed ## The same, with sample leads and a live view of their way
	@exec $(FIRSTHOUR) demo $(ARGS)

test: .venv/installed-dev ## All tests, on a real Kafka and Postgres (ARGS="-k words" …)
	@exec $(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-unit: .venv/installed-dev ## The rules alone, without Kafka and Postgres: a minute
	@exec $(BIN)/pytest tests/unit -n 2 $(ARGS)

coverage: .venv/installed-dev ## The unit tests, and how much of the rules they reach; fails below the floor in pyproject.toml
	@exec $(BIN)/pytest tests/unit -n 2 --quiet --timeout=600 --hypothesis-profile=quick --cov --cov-report=term $(ARGS)

first-runs: .venv/installed-dev ## Fresh clones in every surrounding, from `make run` to its end (ARGS="--only NAME" …)
	@exec $(BIN)/python -m tests.first_run $(ARGS)

mutants: .venv/installed-dev ## Mistakes that no test of a room would notice (ROOM=shared/money.py SAMPLE=50 TESTS="…")
	@exec $(BIN)/python -m tests.mutants $(ROOM) $(TESTS) $(if $(SAMPLE),--sample $(SAMPLE))

audit: .venv/installed-dev ## Known holes in what is pinned, and pins nobody looked at for 90 days
	@$(BIN)/python locks/audit.py $(ARGS)

lint: .venv/installed-dev ## Style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## Put the code into the style that lint asks for
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

migration: .venv/installed-dev ## Draft a migration from the tables in code (SERVICE=nurture NAME="what changes")
	@$(BIN)/python -m tests.support.new_migration "$(SERVICE)" "$(NAME)"

metrics-docs: .venv/installed-dev ## Write the table of docs/metrics.md from the code
	@$(BIN)/python -m tests.support.metrics_table

boards: .venv/installed-dev ## Write Grafana's boards from deploy/grafana/boards.py
	@$(BIN)/python deploy/grafana/boards.py

schemas: .venv/installed-dev ## Write the events' JSON Schemas into docs/schemas/
	$(BIN)/python -m shared.events.schemas

lock: .venv/installed-dev ## Pin what pyproject.toml asks for, with hashes, in locks/
	@exec locks/refresh.sh

bench: .venv/installed-dev ## The figures of docs/benchmarks.md, measured here
	@exec $(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove the environment and caches; .firsthour (your data) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Firsthour needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1)." >&2; \
		echo "Install one, or name it: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "'$(PYTHON)' cannot make an environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

.venv/installed: .venv/python locks/embedded.txt pyproject.toml
	@echo "Installing into .venv (the first time: some 140 MB to download) …"
	@$(PIP) --require-hashes --requirement locks/embedded.txt
	@$(OURSELVES)
	@touch $@

.venv/installed-dev: .venv/python locks/dev.txt pyproject.toml
	@echo "Installing into .venv what development needs …"
	@$(PIP) --require-hashes --requirement locks/dev.txt
	@$(OURSELVES)
	@touch $@ .venv/installed
