# make demo | test | test-all | sweep | lowest | lint | bench | docs | clean       (every target installs what it needs first)
PYTHON ?= python3
BIN    := .venv/bin

.PHONY: install demo test test-all sweep lowest lint bench docs clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[charts,dev]'
	touch $@

# No run is overwritten: a second demo writes to runs/demo-2. `make clean` deletes all runs.
demo: install
	$(BIN)/polytask demo

# A process for every core, which computes on that one. Compiled modules are kept, since tests start many processes.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal

test: install
	$(PYTEST) -m "not slow"

test-all: install
	$(PYTEST)

sweep: install
	$(PYTEST) --sweep

lowest: install
	$(BIN)/python tools/lowest_versions.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python benchmarks/simulated_false_alarms.py
	$(BIN)/python benchmarks/real_false_alarms.py --data mnist-fashion census
	$(BIN)/python benchmarks/verdict_power.py
	$(BIN)/python benchmarks/loop_overhead.py
	$(BIN)/python benchmarks/dataset_throughput.py
	$(BIN)/python benchmarks/reference_network.py

docs: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m sphinx -W -q docs docs/_build

clean:
	rm -rf .venv .lowest runs docs/_build
