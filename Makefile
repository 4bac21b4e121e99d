# All tasks of developers and CI. Each target creates .venv if needed, and requires only Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest

# Tests start hundreds of processes. With this variable, each of them would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup check test docs oldest demo bench chaos lock clean
help:           ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/'

setup: $(STAMP) ## create .venv with exactly the locked packages

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

check: $(STAMP) ## check lint rules, formatting, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(STAMP)  ## run all tests
	$(BIN)/python -m pytest --numprocesses=2 --no-loadscope-reorder

docs: $(STAMP)  ## generate the reference, and build the site into build/docs
	$(BIN)/python -m docs.generate
	$(BIN)/zensical build --clean --strict

oldest:         ## run the tests that use Ray with its oldest supported version
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps ray==2.58.0
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(OLDEST)/bin/python -m pytest tests/unit/ray_cluster tests/distributed

demo: $(STAMP)  ## run 1,000 orders on an embedded Ray cluster, then query them with SQL
	@$(BIN)/python examples/demo.py

bench: $(STAMP) ## measure speed and memory, as ratios within one run
	$(BIN)/python tests/benchmarks/run.py

chaos: $(STAMP) ## run all fault tests, including the long ones, and show the cost of each fault
	$(BIN)/python -m pytest -m "chaos or not chaos" tests/durability \
		tests/distributed/test_worker_death.py tests/distributed/test_scale.py tests/distributed/test_addresses.py

lock:           ## pin the newest allowed packages (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --output-file requirements.lock

clean:          ## remove everything that the targets created
	rm -rf $(VENV) $(OLDEST) build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
