# Every entry sets up .venv by itself, from the lock file, the first time it is needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SETUP = $(VENV)/.set-up
AIRFLOW_VENV ?= .venv-airflow
AIRFLOW_SETUP = $(AIRFLOW_VENV)/.set-up
DATAFLOW_VENV ?= .venv-dataflow
DATAFLOW_SETUP = $(DATAFLOW_VENV)/.set-up
BOOT = .dataflow/container
LOWEST_VENV ?= .venv-lowest-beam
LOWEST_SETUP = $(LOWEST_VENV)/.set-up
BEAM = $(shell sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' requirements.lock)
LOWEST_BEAM = $(shell sed -n 's/.*"apache-beam>=\([0-9.]*\),.*/\1/p' setup.py)
READERS_VENV ?= .venv-readers
READERS_SETUP = $(READERS_VENV)/.set-up
SPARK3_VENV ?= .venv-spark3
SPARK3_SETUP = $(SPARK3_VENV)/.set-up
PRISM = .engines/bin/prism
FLINK = .engines/flink/.fetched

.PHONY: setup demo test check bench soak live engines browser airflow beams dataflow readers reference flex-template lock build

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

# Four at a time, whatever the cores: most of the time goes by in waiting for processes.
test: setup  ## every test
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m pytest -n 4

check: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## every number the README claims, BENCHMARKS="NAME ..." for some; writes benchmarks/results
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m benchmarks $(BENCHMARKS)

soak: setup  ## ten minutes of faults, SOAK_MINUTES for more; writes benchmarks/results/soak.json
	$(BIN)/embed-pipeline fetch
	$(BIN)/python -m benchmarks.soak

live: setup  ## the tests that need a real server: set OLLAMA_HOST to one that has all-minilm
	$(BIN)/python -m pytest tests/live --live

# What a tool is missing for is not fetched, and its tests skip and say so; in CI they fail.
engines: setup $(if $(shell command -v go),$(PRISM)) $(if $(shell command -v mvn),$(FLINK))  ## the same job on Prism and Flink; needs Go, Java and Maven
	$(BIN)/python -m pytest tests/engines --engines

$(PRISM): requirements.lock
	GOBIN=$(abspath $(@D)) go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(BEAM)
	touch $@

$(FLINK): tests/engines/pom.xml
	rm -rf $(@D)
	mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(abspath $(@D))
	touch $@

browser: setup  ## the report in a real headless Chromium; needs Debian's chromium and chromium-driver
	$(BIN)/python -m pytest tests/browser --browser

airflow: $(AIRFLOW_SETUP)  ## load deploy/airflow with Airflow itself, and run it with every exit code
	$(AIRFLOW_VENV)/bin/python deploy/airflow/check.py

$(AIRFLOW_SETUP): deploy/airflow/requirements.txt
	$(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

beams: $(LOWEST_SETUP)  ## the tests of the transforms, on the lowest Beam of setup.py
	$(LOWEST_VENV)/bin/python -m pytest tests/transforms tests/pipelines/test_embed_corpus.py tests/pipelines/test_options.py

$(LOWEST_SETUP): setup.py
	$(PYTHON) -m venv $(LOWEST_VENV)
	$(LOWEST_VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile 'apache-beam==$(LOWEST_BEAM).*' \
	    --editable '.[embedded,yaml]' 'hypothesis>=6.100' 'moto[server]>=5' 'duckdb>=1.1' 'pandas>=2.2' 'polars>=1.5' 'pytest>=8' 'pytest-timeout>=2.3'
	touch $@

dataflow: $(DATAFLOW_SETUP) $(BOOT)  ## what Dataflow is given, as far as that is known without it; needs Go
	$(DATAFLOW_VENV)/bin/python -m pytest tests/dataflow --dataflow

# It has the packages of .venv by a path file, and those beside them that only Dataflow needs.
$(DATAFLOW_SETUP): requirements.lock setup.py | setup
	$(PYTHON) -m venv $(DATAFLOW_VENV)
	$(DATAFLOW_VENV)/bin/python -c 'import sys, sysconfig; print(sys.argv[1], file=open(sysconfig.get_path("purelib") + "/lock.pth", "w"))' \
	    $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	$(DATAFLOW_VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile 'apache-beam[gcp]==$(BEAM)' 'setuptools>=77'
	touch $@

$(BOOT): requirements.lock
	GOBIN=$(abspath $(@D)) go install github.com/apache/beam/sdks/v2/python/container@v$(BEAM)
	touch $@

reference: setup  ## the tables of docs/configuration.md and docs/errors.md, and configs/job.schema.json, from the code
	$(BIN)/python -m tests.reference

readers:  ## a dataset opens in other programs, and the recipes of docs/recipes run; Spark needs Java
	$(MAKE) -j 2 $(READERS_SETUP) $(SPARK3_SETUP)
	SPARK3_PYTHON=$(abspath $(SPARK3_VENV))/bin/python $(READERS_VENV)/bin/python -m pytest tests/readers --readers

# It has the packages of .venv by a path file, as that of Dataflow has.
$(READERS_SETUP): tests/readers/requirements.txt | setup
	$(PYTHON) -m venv $(READERS_VENV)
	$(READERS_VENV)/bin/python -c 'import sys, sysconfig; print(sys.argv[1], file=open(sysconfig.get_path("purelib") + "/lock.pth", "w"))' \
	    $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	$(READERS_VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	touch $@

# Two versions of Spark cannot share an environment.
$(SPARK3_SETUP): tests/readers/spark3.txt
	$(PYTHON) -m venv $(SPARK3_VENV)
	$(SPARK3_VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	touch $@

flex-template: setup  ## deploy/dataflow/metadata.json, from the settings
	$(BIN)/python -m embed_pipeline.pipelines.flex_template > deploy/dataflow/metadata.json

build: setup  ## the sdist and the wheel
	$(BIN)/python -m build --no-isolation

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
lock: setup  ## pin every dependency anew (needs uv)
	$(COMPILE) setup.py --extra dev --output-file requirements.lock
	$(COMPILE) tests/readers/requirements.in --constraint requirements.lock --output-file tests/readers/requirements.txt
	$(COMPILE) tests/readers/spark3.in --output-file tests/readers/spark3.txt
