# Every command that a person or CI runs. `make` prints this list.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What was installed: the product alone, or with the tools that check it.
PRODUCT = $(VENV)/.installed
STAMP = $(VENV)/.installed-dev
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install demo run fmt lint types imports test test-attached fuzz examples cov schema schema-check migration migration-check graphiql build check clean

##@ Start
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make the virtual environment and install everything into it

$(PRODUCT): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(PIP) -e .
	@touch $@

$(STAMP): $(PRODUCT)
	@$(PIP) -e '.[dev]'
	@touch $@

demo: $(PRODUCT) ## Start everything with demo data on http://127.0.0.1:8000
	@$(BIN)/aibridge demo

run: $(PRODUCT) ## Start the server (settings: AIBRIDGE_…)
	@$(BIN)/aibridge serve

##@ Check
fmt: $(STAMP) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

lint: $(STAMP) ## Look for faults and for unformatted code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types: $(STAMP) ## Check the types with mypy (strict) and pyright
	@$(BIN)/mypy
	@$(BIN)/pyright

imports: $(STAMP) ## Check that imports go one way
	@$(BIN)/lint-imports

test: $(STAMP) ## Set up and run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile
	@$(MAKE) --no-print-directory test-attached

test-attached: $(STAMP) ## Run the tests of GraphQL and REST on a database of Coder's shape
	@AIBRIDGE_TEST_DATABASE_SHAPE=coder $(BIN)/python -m pytest -n 2 --dist loadfile tests/schema tests/resolvers tests/server/rest

fuzz: $(STAMP) ## Let schemathesis invent GraphQL operations for ten minutes (FUZZ_SECONDS=…)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(BIN)/python -m pytest -s tests/server/graphql/test_fuzz.py

examples: ## Compile the examples in TypeScript against schema.graphql (needs Node 20 and npm's registry)
	@for each in graphql-codegen relay; do \
		echo "examples/$$each"; \
		(cd examples/$$each && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent check) || exit 1; \
	done

cov: $(STAMP) ## Run all tests and report what they do not reach
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage report --show-missing --skip-covered

check: lint types imports schema-check migration-check test ## All of the above: what a change must pass

bench: $(STAMP) ## Measure up to SIZE=1m interceptions (10k, 100k, 1m, 2m, 5m); results and plots into bench/results
	@$(PIP) -e '.[bench]'
	@$(BIN)/python -m bench.all $(or $(SIZE),1m)

##@ Make
schema: $(STAMP) ## Print the SDL into schema.graphql
	@$(BIN)/aibridge schema > schema.graphql.new && mv schema.graphql.new schema.graphql

schema-check: $(STAMP) ## Compare schema.graphql with the types
	@$(BIN)/aibridge schema | diff - schema.graphql

migration: $(STAMP) ## Write a new migration from the tables (m="what it does")
	@$(BIN)/python -m db.migrations.tool revision "$(m)"

migration-check: $(STAMP) ## Compare the migrations with the tables
	@$(BIN)/python -m db.migrations.tool check

graphiql: ## Build GraphiQL's files from frontend/graphiql (needs Node 20 and npm's registry)
	@cd frontend/graphiql && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

build: $(STAMP) ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m pip install --quiet build && $(BIN)/python -m build

clean: ## Remove what can be made again
	@rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis .import_linter_cache .coverage
