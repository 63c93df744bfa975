# Two commands: `make run` shows the archive at its main job, `make test` shows that it holds.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup run test check unit campaign-crash campaign-sites campaign-scrub campaign-fuzz benchmarks lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.installed: requirements-dev.lock pyproject.toml deploy/setup.sh
	@PYTHON=$(PYTHON) deploy/setup.sh $(VENV)

setup: $(VENV)/.installed ## the virtual environment with the locked dependencies

run: setup ## an archive with a demonstration authority; ONCE=1 ends after the show
	@$(BIN)/zdda demonstrate --folder .run $(if $(ONCE),--once)

test: setup ## everything, system packages included (as root)
	@deploy/test.sh

check: setup ## format, lint, layers and types only
	@deploy/check.sh

campaign-crash: setup ## 1,000 kill -9 under load, at one site, then at two; resumable, at most 60 minutes
	@$(BIN)/python -m tests.crash.campaign --kills 1000 --journal .run/campaign-crash

campaign-sites: setup ## 1,000 documents at two Ceph sites, one of them killed in the middle
	@SITES_TEST_DOCUMENTS=1000 $(BIN)/python -m pytest -q tests/conformance/test_two_sites.py

campaign-scrub: setup ## 100,000 clean objects at two sites are scrubbed without a finding; resumable, at most 60 minutes
	@$(BIN)/python -m tests.scale.scrub_campaign --objects 100000 --folder .run/campaign-scrub

campaign-fuzz: setup ## coverage-guided fuzzing of every parser; resumable, at most 60 minutes
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-fuzz.lock
	@$(BIN)/python -m tests.fuzz.campaign --minutes 20 --folder .run/campaign-fuzz

benchmarks: setup ## the figures of benchmarks/README.md
	@$(BIN)/python -m benchmarks

lock: ## renew the lock files from pyproject.toml
	@deploy/lock.sh $(VENV)

clean: ## remove what the commands made here
	@if [ -d .run ]; then chattr -R -i .run 2>/dev/null || true; fi
	rm -rf .run $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
