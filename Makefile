# vlm-aqa: `make run` makes results/report.html, `make test` passes the tests. Both set themselves up.

PYTHON ?= python3
CORES ?= $(shell nproc)
VENV := .venv
SNAKEMAKE := $(VENV)/bin/snakemake --cores $(CORES)
SOURCES := scripts tests
# Tests that need more than the lock file brings; .ci/run installs it and runs them.
ELSEWHERE := ocr or ultralytics or transformers or vllm or envs or slurm
RULES := Snakefile workflow/Snakefile workflow/rules/*.smk
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run full test test-all estimate preview setup lint config lock clean

## run: everything to results/report.html; the embedded benchmark, or make run CONFIG=my.yaml
run: $(VENV)/.run
ifdef CONFIG
	$(VENV)/bin/python scripts/cells.py --configfile $(CONFIG)
	$(SNAKEMAKE) --configfile $(CONFIG)
else
	$(SNAKEMAKE)
endif
	@echo "Done: open results/report.html"

## full: as run, but the tiny model sees every sample of the embedded benchmark (about twice as long)
full: $(VENV)/.run
	$(SNAKEMAKE) --configfile config/full.yaml
	@echo "Done: open results/report.html"

## test: linters, types and all tests
test: $(VENV)/.dev lint
	$(VENV)/bin/pytest -n 2 --dist loadgroup -q -m "not thorough and not ($(ELSEWHERE))"

## test-all: make test, and the tests that take long
test-all: test
	$(VENV)/bin/pytest -n 2 --dist loadgroup -q -m "thorough and not ($(ELSEWHERE))"

## estimate: what is still to ask: requests, tokens, money, hours; nothing is asked
estimate: $(VENV)/.run
	$(SNAKEMAKE) estimate $(if $(CONFIG),--configfile $(CONFIG))

## preview: what a cell sends, as a page: make preview CELL=<dataset>/<task>/<representation>/<strategy>/<model>
CELL ?= fitness-aqa/judge/original/base/random
preview: $(VENV)/.run
	$(SNAKEMAKE) results/preview/$(CELL).html

## setup: the virtual environment, from the lock file
setup: $(VENV)/.run

## lint: style, types and the workflow's own linters
lint: $(VENV)/.dev
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/mypy
	$(VENV)/bin/snakefmt --check $(RULES)
	$(VENV)/bin/snakemake --lint

## config: generate config/config.yaml and the JSON schemas from scripts/aqa/config.py
config: $(VENV)/.run
	$(VENV)/bin/python scripts/configure.py

## lock: resolve pyproject.toml again (needs uv)
lock:
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -q pyproject.toml -o requirements.lock
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -q pyproject.toml --extra acquire --extra vertex --extra dev -c requirements.lock \
		-o requirements-dev.lock
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -q pyproject.toml --extra transformers -c requirements.lock \
		-o requirements-transformers.lock
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -q pyproject.toml --extra pose -c requirements.lock -o requirements-pose.lock
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -q pyproject.toml --extra slurm -c requirements.lock -o requirements-slurm.lock
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -q requirements-vllm.in -o requirements-vllm.lock

## clean: remove everything that was made, but not the virtual environment
clean:
	rm -rf results .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "vlm-aqa needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)

# The lock files are complete, so nothing is resolved here: pip looks for newer versions of an extra otherwise.
$(VENV)/.run: requirements.lock | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	touch $@
