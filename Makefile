# The commands for people. Each installs what it needs, if it is missing.
PYTHON ?= python3
BIN := .venv/bin
# Node comes from a Python package, so that it need not be installed on the machine.
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
# Only HLS videos need it, and only in browsers that cannot play HLS themselves.
HLS := chat/vendor/hls.min.mjs
NPM_CI := npm ci --silent --no-audit --no-fund

.PHONY: run test faults simulate check format screenshots bench lock clean help setup-browser setup-tracer setup-nginx setup-caddy setup-php

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run.stamp $(HLS)  ## Start the server; make run ARGS="--port 9000" passes flags
	@exec $(BIN)/python server.py $(ARGS)

test: .venv/dev.stamp node_modules/dev.stamp $(HLS) setup-browser setup-tracer setup-nginx setup-caddy setup-php  ## Run all tests
	@$(BIN)/python -m pytest $(or $(ARGS),-n 3 --dist loadscope --no-loadscope-reorder)

faults: .venv/dev.stamp setup-tracer  ## Run the long fault tests: 100 kills, 2 h of churn (CHURN_MINUTES=10)
	@FAULTS=long $(BIN)/python -m pytest tests/faults $(ARGS)

simulate: .venv/dev.stamp  ## Live through days of a simulated world; make simulate SEEDS=10000 BASE=1
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --base $(or $(BASE),1) $(ARGS)

check: .venv/dev.stamp node_modules/dev.stamp  ## Check format, lint, types and layers; changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(NODE) node_modules/.bin/tsc --project tsconfig.json
	@$(NODE) node_modules/.bin/eslint static benchmarks/stage
	@$(BIN)/python -m pytest tests/unit/test_layers.py

format: .venv/dev.stamp  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/bench.stamp  ## Measure the server (12 min); make bench ARGS="--against COMMIT write idle" compares
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: .venv/dev.stamp setup-browser  ## Take the screenshots for the docs
	@$(BIN)/python tools/take_screenshots.py $(ARGS)

lock: .venv/dev.stamp  ## Update the locked versions from pyproject.toml
	$(BIN)/pip-compile -q --upgrade --strip-extras --allow-unsafe --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --extra loadtest \
	    -o requirements/run.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --strip-extras --allow-unsafe --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --extra dev --extra loadtest \
	    -c requirements/run.txt -o requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --strip-extras --allow-unsafe --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --extra bench --extra loadtest \
	    -c requirements/dev.txt -o requirements/bench.txt pyproject.toml

clean:  ## Remove everything that was installed or built
	rm -rf .venv build dist *.egg-info node_modules chat/vendor

.venv/made.stamp:
	@PYTHON="$(PYTHON)" sh tools/make-venv.sh
	@touch $@

.venv/run.stamp: .venv/made.stamp requirements/run.txt
	@echo "Installing the server and its load tester (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

.venv/dev.stamp: .venv/made.stamp requirements/run.txt requirements/dev.txt
	@echo "Installing what the tests need (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch .venv/run.stamp $@

.venv/bench.stamp: .venv/made.stamp requirements/bench.txt
	@echo "Installing what the benchmarks need (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch .venv/run.stamp $@

$(HLS): package-lock.json | .venv/made.stamp
	@$(BIN)/python tools/fetch_hls.py $(@D)

node_modules/dev.stamp: .venv/dev.stamp package-lock.json
	@echo "Installing what the checks of the pages need (once)…"
	@$(NODE) $(NPM_CI)
	@touch $@

setup-browser: .venv/dev.stamp
	@sh tools/find-browser.sh

setup-nginx:
	@sh tools/find-nginx.sh

setup-caddy:
	@sh tools/find-caddy.sh

setup-php:
	@sh tools/find-php.sh

setup-tracer: .venv/dev.stamp
	@sh tools/find-tracer.sh
