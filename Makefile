# Every entry sets up .venv by itself, from the lock file, the first time it is needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SETUP = $(VENV)/.set-up
AIRFLOW_VENV ?= .venv-airflow
AIRFLOW_SETUP = $(AIRFLOW_VENV)/.set-up

.PHONY: setup demo test check bench soak live airflow lock build

setup: $(SETUP)

$(SETUP): requirements.lock setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup  ## embed the documentation of Python's standard library, and search it
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m embed_pipeline.pipelines.python_docs out/python-docs.jsonl
	$(BIN)/embed-pipeline run configs/demo.yaml
	$(BIN)/embed-pipeline search out/python-docs "read a csv file"

test: setup  ## every test
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m pytest

check: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## every number the README claims; writes benchmarks/results
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m benchmarks

soak: setup  ## ten minutes of faults, SOAK_MINUTES for more; writes benchmarks/results/soak.json
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m benchmarks.soak

live: setup  ## the tests that need a real server: set OLLAMA_HOST to one that has all-minilm
	$(BIN)/python -m pytest tests/live --live

airflow: $(AIRFLOW_SETUP)  ## load deploy/airflow with Airflow itself, and run it with every exit code
	$(AIRFLOW_VENV)/bin/python deploy/airflow/check.py

$(AIRFLOW_SETUP): deploy/airflow/requirements.txt
	$(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

build: setup  ## the sdist and the wheel
	$(BIN)/python -m build --no-isolation

lock: setup  ## pin every dependency anew (needs uv)
	uv pip compile --quiet setup.py --all-extras --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file requirements.lock
