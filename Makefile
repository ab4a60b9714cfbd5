# Reader Study. `make demo` to see it, `make test` to check it.

PYTHON ?= python3
PORT ?= 8000
DATA_DIR ?= $(CURDIR)/data
VENV := .venv
PY := $(VENV)/bin/python
# The embedded environment of checks: tests bring their own settings on top of it.
CHECK := SECRET_KEY=only-for-checks DATA_DIR=$(CURDIR)/build/check

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts migrations schema frontend-test tests services \
        bench faults load clean browsers

help:
	@echo "make demo    set everything up and start the demo (PORT=$(PORT), DATA_DIR=data)"
	@echo "make test    set everything up and run every check"
	@echo "make bench   speed and memory, as ratios against named peers"
	@echo "make faults  slow proofs: killed workers, lost messages, broken files"
	@echo "make load    slow proofs: many readers, many scans, interval coverage"
	@echo "make clean   remove what was built (never what was recorded)"

# -- Set-up -----------------------------------------------------------------------------------------

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 ..."; exit 1; }
	@echo "==> creating the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "The virtual environment could not be created: is the disk full, or Python's venv module missing (Debian: python3-venv)?"; exit 1; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml constraints.txt
	@echo "==> installing the application (about 1 GB with CPU torch; a few minutes the first time)"
	@$(PY) -m pip install --disable-pip-version-check -q --progress-bar on -c constraints.txt -e '.[synthesis]' || { \
	  echo "The packages could not be installed: see the lines above (no network, or no disk space?)."; exit 1; }
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "==> installing the development tools"
	@$(PY) -m pip install --disable-pip-version-check -q --progress-bar on -c constraints.txt -e '.[synthesis,postgres,redis,s3,dev]' || { \
	  echo "The packages could not be installed: see the lines above (no network, or no disk space?)."; exit 1; }
	@touch $@

FRONTEND := $(shell find frontend/src -type f 2>/dev/null) $(wildcard frontend/*.json frontend/*.ts)
static/dist/.built: $(FRONTEND) | $(VENV)/.runtime
	@echo "==> front end"
	@$(PY) frontend/build.py build
	@touch $@

# -- The two commands ---------------------------------------------------------------------------------

demo: $(VENV)/.runtime static/dist/.built
	@DEMO=1 PORT=$(PORT) DATA_DIR="$(DATA_DIR)" $(PY) manage.py demo

test: lint types contracts migrations schema frontend-test tests services

# -- The checks, one by one -----------------------------------------------------------------------------

lint: $(VENV)/.dev
	@echo "==> lint"
	@$(VENV)/bin/ruff format --check --quiet . || { echo "Run '$(VENV)/bin/ruff format .'"; exit 1; }
	@$(VENV)/bin/ruff check --quiet .

types: $(VENV)/.dev
	@echo "==> types"
	@$(CHECK) $(VENV)/bin/mypy readerstudy synthesis

contracts: $(VENV)/.dev
	@echo "==> import contracts"
	@$(CHECK) $(VENV)/bin/lint-imports --no-cache

migrations: $(VENV)/.dev
	@echo "==> migrations match the models"
	@$(CHECK) $(PY) manage.py makemigrations --check --dry-run

schema: $(VENV)/.dev
	@echo "==> OpenAPI schema matches docs/openapi.json"
	@mkdir -p build
	@$(CHECK) $(PY) manage.py export_openapi_schema --api readerstudy.config.api.api --indent 2 --sorted --output build/openapi.json
	@diff -u docs/openapi.json build/openapi.json || { echo "The interface changed: review it, then 'cp build/openapi.json docs/openapi.json'"; exit 1; }

frontend-test: static/dist/.built $(VENV)/.dev
	@echo "==> front-end tests"
	@$(PY) frontend/build.py test

browsers: $(VENV)/.dev
	@$(PY) tests/browser/find_browsers.py --install

# A process a core, files kept whole; the processes, not the libraries within, share the cores.
tests services: export PYTEST_ADDOPTS ?= -n logical --maxprocesses 4 --dist loadfile
tests services: export OMP_NUM_THREADS ?= 1

tests: $(VENV)/.dev static/dist/.built browsers
	@echo "==> tests"
	@$(PY) -m pytest -q -m "not services and not faults and not load and not bench"

services: $(VENV)/.dev static/dist/.built
	@echo "==> tests against the servers that answer here"
	@$(PY) tests/with_services.py

bench: $(VENV)/.dev static/dist/.built browsers
	@$(PY) -m benchmarks

faults: $(VENV)/.dev static/dist/.built browsers
	@$(PY) -m pytest -q -m faults

load: $(VENV)/.dev static/dist/.built browsers
	@$(PY) -m pytest -q -m load

clean:
	rm -rf $(VENV) static/dist staticfiles frontend/node_modules build
