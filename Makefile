# The developer's commands; CI calls the same ones.
PYTHON ?= python3
VENV   ?= .venv
PY      = $(VENV)/bin/python
PIP     = $(PY) -m pip --disable-pip-version-check install --quiet
DEV     = dev,oracles,validate

# Many processes load the same modules: what one has compiled is there for the next, whatever the shell asks for.
export PYTHONDONTWRITEBYTECODE =

LOCK    = $(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
          --no-annotate --custom-compile-command 'make lock' pyproject.toml $(VENV)/build.in

.PHONY: help run test check fmt bench soak validate picture pages lock wheel clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/pip:
	@requirements/venv $(PYTHON) $(VENV)

# Where mypy and editors, which do not run what an editable install leaves behind, find `pilotfarm`.
.venv/path/pilotfarm:
	@mkdir -p $(@D)
	@ln -s ../.. $@

# What the lock says; by NEWEST=1, the newest releases that pyproject.toml allows.
ifndef NEWEST
install = $(PIP) --require-hashes --requirement requirements/$(1).txt && \
          $(PIP) --no-deps --no-build-isolation --editable .
else
install = $(PIP) --upgrade --upgrade-strategy eager --editable '.[$(2)]' setuptools
endif

$(VENV)/.run: pyproject.toml requirements/run.txt | $(VENV)/bin/pip .venv/path/pilotfarm
	@echo "installing into $(VENV)"
	@$(call install,run,loadtest)
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "installing into $(VENV) what the tests take"
	@$(call install,dev,$(DEV))
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

soak: $(VENV)/.dev  ## watch two farms with masters for MINUTES (60), and judge; samples, plot and verdict in soak/
	$(PY) -m pilotfarm.loadtests.soak --minutes $(or $(MINUTES),60)

validate: $(VENV)/.dev  ## draw the plots of docs/validation.md and write the page
	$(PY) docs/validation

picture: $(VENV)/.dev  ## draw the README's picture
	$(PY) docs/picture.py docs/images/day.png

pages: $(VENV)/.dev  ## write the pages of docs that are made from the code
	$(PY) docs/pages/write.py
	$(PY) docs/metrics.py
	$(PY) docs/grafana/dashboard.py

lock: $(VENV)/bin/pip  ## renew requirements/*.txt: the newest releases that pyproject.toml allows, with their hashes
	@$(PIP) --upgrade uv
	@sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml >$(VENV)/build.in
	$(LOCK) --all-extras --output-file requirements/dev.txt
	$(LOCK) --extra loadtest --constraint requirements/dev.txt --output-file requirements/run.txt

wheel: $(VENV)/.dev  ## build the wheel
	rm -rf build dist
	$(PY) -m build --wheel --no-isolation

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info bench.json
