# Soundwright. `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
TORCH_VERSION = $(shell sed -n "s/^torch==//p" constraints.txt)
VENV := .venv
BIN := $(VENV)/bin
SONG ?=
SOUNDWRIGHT_DATA_DIR ?= data
SOUNDWRIGHT_GATEWAY_PORT ?= 4000
SOUNDWRIGHT_SOUNDBOX_PORT ?= 5309
SOUNDWRIGHT_PIPELINE_PORT ?= 8000
# Every component starts from the same files: they are compiled once, whatever the surroundings say.
export PYTHONDONTWRITEBYTECODE :=
export SOUNDWRIGHT_DATA_DIR SOUNDWRIGHT_GATEWAY_PORT SOUNDWRIGHT_SOUNDBOX_PORT SOUNDWRIGHT_PIPELINE_PORT

##@ Use

.PHONY: demo
demo: setup  ## Separate and analyse a song, from upload to files (SONG=path for your own)
	@$(BIN)/python -m demo $(if $(SONG),"$(SONG)")

.PHONY: run
run: setup  ## Serve on port 4000 (5309 and 8000 for the single dialects) until Ctrl-C
	@SOUNDWRIGHT_OPEN_ACCESS=$${SOUNDWRIGHT_OPEN_ACCESS:-true} SOUNDWRIGHT_FALLBACK=$${SOUNDWRIGHT_FALLBACK:-true} \
	SOUNDWRIGHT_LOG_FORMAT=$${SOUNDWRIGHT_LOG_FORMAT:-console} exec $(BIN)/python -m services all

.PHONY: models
models: setup  ## Fetch the weights of the separation and generation models ahead of their first use
	@$(BIN)/python -m services.separation.engines.fetch
	@$(BIN)/python -m services.generation.engines.audiocraft.fetch

##@ Develop

.PHONY: setup
setup: $(VENV)/.ready  ## Make the virtual environment, once

# A machine without an NVIDIA GPU gets the CPU build of PyTorch where pip's configuration offers one: the ordinary
# build for Linux brings gigabytes of CUDA along. Where there is only the ordinary one, that is what it gets.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV): this takes a few minutes, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --upgrade pip
	@command -v nvidia-smi > /dev/null || $(BIN)/python -m pip show --quiet torch 2> /dev/null \
		|| $(BIN)/python -m pip install -qq "torch==$(TORCH_VERSION)+cpu" 2> /dev/null \
		|| echo "pip offers no CPU build of PyTorch; taking the ordinary one."
	@$(BIN)/python -m pip install -qq --no-warn-conflicts --editable ".[audiocraft,dev]" --constraint constraints.txt
	@$(BIN)/python -m pip install -qq --no-deps audiocraft --constraint constraints.txt  # docs/decisions/0007
	@touch $@

# The stock client of the live channels, for the Node that the virtual environment brings along.
CHANNEL_CLIENT := tests/channels/node_modules/.ready
$(CHANNEL_CLIENT): tests/channels/package-lock.json $(VENV)/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund --prefix tests/channels
	@touch $@

# Many tests wait for something, so two at a time are much quicker than one after the other, also on two cores. The files
# stay in order: the long stories come first and the short rules last, so that both halves end together.
.PHONY: test
test: setup $(CHANNEL_CLIENT)  ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: check
check: setup  ## Formatting, lint, types, import rules, stub drift
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.stubs --check

.PHONY: fmt
fmt: setup  ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: proto
proto: setup  ## Generate the stubs in gen/ from proto/
	$(BIN)/python -m tools.stubs

.PHONY: lock
lock:  ## Take the newest versions of all dependencies and write them to constraints.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq "torch==$(TORCH_VERSION)"
	$(BIN)/python -m pip install -qq --editable ".[audiocraft,dev]"
	$(BIN)/python -m pip install -qq --no-deps audiocraft
	{ head -n 1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//'; } > constraints.new
	mv constraints.new constraints.txt

.PHONY: bench
bench: setup  ## Measure; the results go into docs/BENCHMARKS.md
	$(BIN)/python -m bench

.PHONY: clean
clean:  ## Remove what was made here, except the data directory
	rm -rf $(VENV) tests/channels/node_modules demo-output build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help
help:  ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z]+:.*##/ {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
