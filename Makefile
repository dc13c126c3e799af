# Everything a person types. Each command does its own set-up, and only what is missing of it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check format lock clean help setup-browser

help:  ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: .venv/run.stamp  ## Start the server; make run ARGS="--port 9000" passes flags on
	@exec $(BIN)/python server.py $(ARGS)

test: .venv/dev.stamp setup-browser  ## Run every test
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/dev.stamp  ## Format, lint, types and layers, changing nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/unit/test_layers.py

format: .venv/dev.stamp  ## Bring the code into the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: .venv/dev.stamp  ## Resolve the versions anew from pyproject.toml
	$(BIN)/pip-compile -q --upgrade --strip-extras --allow-unsafe --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links -o requirements/run.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --strip-extras --allow-unsafe --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --extra dev --extra report \
	    -c requirements/run.txt -o requirements/dev.txt pyproject.toml

clean:  ## Remove what was installed and made
	rm -rf .venv build dist *.egg-info node_modules

.venv/bin/python:
	@PYTHON="$(PYTHON)" sh tools/make-venv.sh

.venv/run.stamp: .venv/bin/python requirements/run.txt
	@echo "Installing what the server needs (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

.venv/dev.stamp: .venv/bin/python requirements/run.txt requirements/dev.txt
	@echo "Installing what the tests need (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch .venv/run.stamp $@

setup-browser: .venv/dev.stamp
	@sh tools/find-browser.sh
