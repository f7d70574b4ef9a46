# Two commands matter: `make demo` shows the whole suite working, `make test` proves it.

VENV ?= .venv
BIN := $(VENV)/bin
RECSYS := $(BIN)/recsys
# The first interpreter that is 3.11 or 3.12 and can make a virtual environment. Found only when it is needed.
PYTHON ?= $(shell for python in python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' 2>/dev/null \
	&& { echo $$python; break; }; done)
# Packages are installed again only when the lock file or the project's own metadata change.
WANTED = $(shell cat requirements.txt pyproject.toml | cksum)
STAMP := $(VENV)/.installed
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest \
	--no-emit-index-url --annotation-style line --custom-compile-command "make lock" --quiet
# All extras but neural.
LOCKED := service pipeline airflow stack research sources dev

# Where the shell sets it, each of the suite's many processes would compile all its imports anew: 6 s for Airflow alone.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test up stop status clean install peers env lint format lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## Set everything up, load a simulated shop, run the seven pipelines, show where to look
	@$(RECSYS) demo

test: install ## Run all tests, against real servers that they start themselves
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

up: install ## Start Postgres, S3, MLflow, Airflow and the API on this machine
	@$(RECSYS) up

stop: ## Stop all of them; the data stays
	@test ! -x $(RECSYS) || $(RECSYS) down

status: ## Show what runs, and where
	@$(RECSYS) status

clean: ## Stop everything and delete all its state: databases, objects, models, secrets, logs
	@test ! -x $(RECSYS) || $(RECSYS) clean --yes
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis catboost_info

install: ## Make the virtual environment; does nothing when it is up to date
	@if [ "$$(cat $(STAMP) 2>/dev/null)" != "$(WANTED)" ]; then $(MAKE) --no-print-directory $(STAMP); fi

.PHONY: $(STAMP)
$(STAMP):
	@if [ ! -x $(BIN)/python ]; then \
		if [ -z "$(PYTHON)" ]; then \
			echo "Python 3.11 or 3.12 with its venv module is needed and was not found as python3.12, python3.11 or python3." >&2; \
			echo "Install one (Debian, Ubuntu: apt install python3-venv), or name it: make PYTHON=/path/to/python3.12 …" >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $(PYTHON) …"; \
		$(PYTHON) -m venv $(VENV); \
	fi
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "Installing the packages of requirements.txt …"
	@$(BIN)/uv pip install --python $(BIN)/python --quiet -r requirements.txt
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --editable .
	@echo "$(WANTED)" > $(STAMP)

lint: install ## Check style, format, types and the one-way imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: install ## Bring all sources into the one format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

peers: install ## Make .rectools, a Python with the package that some models are measured against
	@test -x .rectools/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .rectools
	@$(BIN)/uv pip install --quiet --python .rectools -r research/peers/requirements.txt

env: install ## Generate the secrets of docker-compose.yaml into .env; those that are there stay
	@$(RECSYS) compose-env

lock: install ## Resolve the requirements anew: the whole suite, and the service's thin image
	@$(LOCK) $(LOCKED:%=--extra %) --output-file requirements.txt
	@$(LOCK) --extra service --output-file fast_api_service/requirements.txt
