# `make headtohead`: environment and the main job.  `make test`: environment and all fast tests.
# `make report`: every page and figure of the study in one file, results/report.html.
# `make headtohead-llm`: the main job judged by a language model, and whether the two scorers agree.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
READY = $(VENV)/.ready
TARGET = results/headtohead_autointerp.json

.PHONY: env headtohead headtohead-llm report test test-all lint benchmark-page

env: $(READY)

PLUGIN = plugins/snakemake-executor-plugin-modal

$(READY): envs/cpu.lock envs/torch.txt envs/modal.lock $(PLUGIN)/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r envs/cpu.lock
	$(BIN)/python -m pip install --quiet -r envs/torch.txt
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r envs/modal.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
# Snakemake finds a plugin by its folder's name on the path: compat puts the folder there.
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat -e $(PLUGIN)
	touch $@

headtohead: $(READY)
	PATH="$(abspath $(BIN)):$$PATH" snakemake $(TARGET)
	$(BIN)/python -m sparring.summary $(TARGET)

headtohead-llm: $(READY)
	PATH="$(abspath $(BIN)):$$PATH" snakemake $(TARGET) results/agreement.json --configfile config/studies/default-llm.yaml
	$(BIN)/python -m sparring.summary $(TARGET)

report: $(READY)
	PATH="$(abspath $(BIN)):$$PATH" snakemake results/report.html

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

test-all: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	PATH="$(abspath $(BIN)):$$PATH" snakemake --lint

benchmark-page: $(READY)
	$(BIN)/python benchmarks/page.py results/benchmarks docs/benchmarks/headtohead.md
