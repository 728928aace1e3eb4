# make demo   install into .venv, then watch branching answer better for the same compute (about 10 minutes on 2 cores)
# make test   install with the development tools, then run every test
# make lint   ruff and mypy --strict
# make docs   regenerate the parts of the documentation that are made from the code
# make bench  every benchmark
#
# On Linux the package index serves torch with CUDA. For the smaller CPU build:
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_FLAGS ?=
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test lint docs bench clean

demo: $(VENV)/.installed
	$(BIN)/ramify demo

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --durations=10

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/python -m tests.house.refresh

bench: $(VENV)/.installed-dev
	$(BIN)/ramify bench

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	@echo "ramify: making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

# torch goes first and alone: resolved together with the rest, pip may pick another build of it.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "ramify: installing $(TORCH) (one to three minutes, once)"
	@$(PIP) $(TORCH)
	@echo "ramify: installing ramify and what it needs"
	@$(PIP) -e '.[plots]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "ramify: installing the development tools"
	@$(PIP) -e '.[dev,plots,server]'
	@touch $@
