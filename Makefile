# One command for each thing; `.ci/run` calls the same ones.
#
#   make demo          a new store in ./demo from the recorded samples: a search, a table, a histogram
#   make test          every test
#   make lint types    ruff; mypy (strict)
#   make wheel-check   builds the wheel, installs it elsewhere, runs the demo and the tests against it
#   make clean         removes what these commands made, the virtual environment too
#
# Needed beforehand: make and Python 3.11 or newer with its venv module. PYTHON=python3.13 picks another one.

PYTHON ?= python3
VENV ?= .venv
ARGS ?= -n auto

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MADE := $(VENV)/.made

.PHONY: help demo test lint types wheel-check clean
.DELETE_ON_ERROR:
.NOTPARALLEL:  # two installations into one environment would break each other

help:
	@sed -n 's/^#   //p' Makefile

# `pip install --group` came with pip 25.1; the pip that a new environment starts with is often older.
$(MADE)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "stonelog needs Python 3.11 or newer, this is %s; choose one with PYTHON=" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	@mkdir -p $(MADE) && touch $@

# Editable: the folders of this checkout are what runs. A change of pyproject.toml installs again.
$(MADE)/install: pyproject.toml $(MADE)/python
	$(PIP) install --editable .
	@touch $@

$(MADE)/test: pyproject.toml $(MADE)/install
	$(PIP) install --group test
	@touch $@

$(MADE)/lint: pyproject.toml $(MADE)/test
	$(PIP) install --group lint
	@touch $@

demo: $(MADE)/install
	@rm -rf demo
	@$(BIN)/stonelog demo --dir demo

test: $(MADE)/test
	$(BIN)/python -m pytest $(ARGS)

lint: $(MADE)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(MADE)/lint
	$(BIN)/mypy

wheel-check: $(MADE)/test
	.ci/wheel-check $(BIN)/python

clean:
	rm -rf $(VENV) build dist demo .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
