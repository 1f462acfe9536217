# What a newcomer and CI call. `make` alone lists the targets.

VENV := .venv
PYTHON := $(VENV)/bin/python
ROOMS := geo models pipeline sample_ais

# Tests run in this many processes; a file stays in one of them, so that what it sets up once is set up once, and begins
# in the order of tests/conftest.py, the longest first, not by how many tests it has. A fifth of the time they wait for
# clocks, disks and sockets, so there is one more than there are cores.
JOBS ?= 3
SPREAD = -n $(JOBS) --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=
CLUSTER ?= cluster and not soak

# Compiled modules are kept, even where the machine says otherwise: else each of the hundreds of processes that tests
# start compiles all that it imports, and each that collects them rewrites and compiles every test.
export PYTHONDONTWRITEBYTECODE :=

# What the environment is made from. It is made again when one of these changes, or when the folder was moved or
# copied: an editable install knows its sources by their full path, and would run those of the old place.
MADE_FROM := pyproject.toml constraints.txt
HERE := $(VENV)/.made-in
ifneq "$(shell cat $(HERE) 2>/dev/null)" "$(CURDIR)"
MOVED := moved
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test e2e services cluster-jars cluster-test soak check lint types layers security audit bench docs coast zones sea clean moved

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1~\2/p' Makefile | awk -F '~' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed  ## install, watch two simulated days, print the ranked leads, draw the first
	$(VENV)/bin/stswatch run sample_ais/simulated_48h.nmea.gz --data demo-data
	@$(VENV)/bin/stswatch explain --data demo-data --picture demo-data/lead.png --quiet

test: $(VENV)/.installed-dev  ## install what the tests need and run those of functions and rooms (PYTEST_ARGS=...)
	$(PYTHON) -m pytest -m 'not e2e and not soak and not service and not cluster' $(SPREAD) $(PYTEST_ARGS)

e2e: $(VENV)/.installed-dev  ## run the tests from end to end: whole commands, watches, kills, pages, packages
	$(PYTHON) -m pytest -m 'e2e and not soak and not service and not cluster' $(SPREAD) $(PYTEST_ARGS)

services: $(VENV)/.installed-dev  ## run the tests of Mosquitto and systemd, where they are installed (apt-get install)
	$(PYTHON) -m pytest -m service -ra $(PYTEST_ARGS)

cluster-jars:  ## fetch the jars of Flink, Beam's job server and Kafka into .cluster; needs Maven, or apt-get to install it
	@sh deploy/flink/cluster jars

cluster-test: JOBS = 2
cluster-test: $(VENV)/.installed-dev cluster-jars  ## start a small Flink and Kafka here, and run the tests of them (CLUSTER=cluster: the longer ones too)
	@$(INSTALL) '.[dev,cluster]'
	$(PYTHON) -m pytest -m "$(CLUSTER)" $(SPREAD) -ra $(PYTEST_ARGS)

soak: $(VENV)/.installed-dev  ## run the tests that take minutes, and the properties with twenty times the examples
	$(PYTHON) -m pytest -m 'soak and not cluster' -rP $(PYTEST_ARGS)
	$(PYTHON) -m pytest -m 'hypothesis and not soak and not service and not cluster' --hypothesis-profile=soak $(SPREAD) $(PYTEST_ARGS)

check: lint types layers security  ## ruff, ruff format, mypy, import-linter, bandit

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

types: $(VENV)/.installed-dev
	$(PYTHON) -m mypy -p stswatch -p tests

layers: $(VENV)/.installed-dev
	$(VENV)/bin/lint-imports --no-logo

security: $(VENV)/.installed-dev
	$(VENV)/bin/bandit -q -c pyproject.toml -r $(ROOMS)

audit:  ## look the pinned packages up among known vulnerabilities; needs the internet
	@sh .ci/audit .venv-audit constraints.txt

bench: $(VENV)/.installed-dev  ## measure rate, CPU and memory beside the floor
	@$(INSTALL) '.[bench]'
	$(PYTHON) -m tests.bench.decode
	$(PYTHON) -m tests.bench.run
	$(PYTHON) -m tests.bench.others
	$(PYTHON) -m tests.bench.geo
	$(PYTHON) -m tests.bench.dark
	$(PYTHON) -m tests.bench.look
	$(PYTHON) -m tests.bench.live
	$(PYTHON) -m tests.bench.case_log
	$(PYTHON) -m tests.bench.scoring
	-@sh deploy/flink/cluster jars && $(INSTALL) '.[cluster]' && $(PYTHON) -m tests.bench.cluster

docs: $(VENV)/.installed  ## write again the pages of docs/ that come from the source
	$(PYTHON) -m docs.tables
	$(PYTHON) -m docs.reference
	$(PYTHON) -m docs.pictures
	$(VENV)/bin/stswatch areas --picture docs/zones.png

zones: $(VENV)/.installed  ## cut the zones in geo/data again out of coast and ports
	$(PYTHON) -m stswatch.geo.scripts.build_places zones

coast: $(VENV)/.installed  ## build geo/data/coast.npz again from GSHHG (91 MB, 2 GB of memory, two minutes) and compare
	@$(INSTALL) '.[build-geo]'
	$(PYTHON) -m stswatch.geo.scripts.build_coast --check

sea: $(VENV)/.installed  ## work the ways by sea in geo/data out again from the coast, and compare
	$(PYTHON) -m stswatch.geo.scripts.build_sea --check

clean:  ## remove all that these targets made, the environment and demo-data too
	rm -rf $(VENV) demo-data build dist *.egg-info
	rm -rf .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .coverage
	find $(ROOMS) docs tests -name __pycache__ -prune -exec rm -rf {} +

# Old setuptools and pip cannot pin what a build uses, so pip itself comes first, at its pinned version.
PIP_INSTALL = $(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# The warning is of folders that could hide an installed package of their name: the rooms install under another.
INSTALL = PYTHONWARNINGS='ignore:Editable installation' $(PIP_INSTALL) --build-constraint constraints.txt --editable

$(VENV)/.installed: $(MADE_FROM) $(MOVED)
	@sh .ci/venv $(VENV) '$(CURDIR)'
	@echo "installing into $(VENV), some minutes the first time"
	@$(PIP_INSTALL) pip
	@$(INSTALL) .
	@echo '$(CURDIR)' > $(HERE) && touch $@

$(VENV)/.installed-dev: $(MADE_FROM) $(MOVED)
	@sh .ci/venv $(VENV) '$(CURDIR)'
	@echo "installing into $(VENV), with what the tests need, some minutes the first time"
	@$(PIP_INSTALL) pip
	@$(INSTALL) '.[dev]'
	@echo '$(CURDIR)' > $(HERE) && touch $(VENV)/.installed $@
