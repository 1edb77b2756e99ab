# The developer's commands; CI calls the same ones.
PYTHON ?= python3
VENV   ?= .venv
PY      = $(VENV)/bin/python

.PHONY: help run test check fmt bench validate picture wheel clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable '.[loadtest]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PY) -m pip install --quiet --editable '.[dev,oracles]'
	@touch $@

run: $(VENV)/.run  ## bring up the built-in site norway until Ctrl-C
	$(VENV)/bin/pilotfarm up $(or $(SITE),norway)

test: $(VENV)/.dev  ## run every test
	$(PY) -m pytest -n auto --dist loadfile

check: $(VENV)/.dev  ## lint, format and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy docs

fmt: $(VENV)/.dev  ## format and mend what can be mended
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/.dev  ## measure, print a table, write bench.json
	$(VENV)/bin/pilotfarm bench

validate: $(VENV)/.dev  ## draw the plots of docs/validation.md and write the page
	$(PY) -m pip install --quiet --editable '.[validate]'
	$(PY) docs/validation

picture: $(VENV)/.dev  ## draw the README's picture
	$(PY) -m pip install --quiet --editable '.[validate]'
	$(PY) docs/picture.py docs/images/day.png

wheel: $(VENV)/.dev  ## build the wheel
	$(PY) -m build --wheel

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info bench.json
