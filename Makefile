# Thin: each target is one command in .venv, which is made from the lock file and kept up to date with it.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A machine whose NVIDIA driver answers gets the CUDA libraries too; any other downloads none.
LOCK := $(if $(shell nvidia-smi -L 2>/dev/null | grep GPU),requirements-gpu.lock,requirements.lock)
STAMP := .venv/$(LOCK).installed
# Both wheels of ONNX Runtime write the same folder.
OTHER_RUNTIME := $(if $(findstring gpu,$(LOCK)),onnxruntime,onnxruntime-gpu)
EXTRAS := workflow scenarios openvino dev

.PHONY: demo report test lint perf check-gpu rulegraph docs lock

demo: $(STAMP)  ## every stage on handwritten digits, in minutes
	$(BIN)/snakemake --cores all --configfile config/demo.yaml
	@echo "The report: results/demo/report.html (for people), results/demo/report.csv (for machines)"

report: $(STAMP)  ## the notebook's protocol on full CIFAR-10
	$(BIN)/snakemake --cores all

test: $(STAMP)
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/python tests/lint_workflow.py

perf: $(STAMP)  ## conversion and training compared with a notebook, the cost of many models; needs the archive
	@missed=; for script in "convert.py results/data/archive" train.py "scale.py --plot docs/scale.svg"; do \
		$(BIN)/python perf/$$script || missed=1; done; test -z "$$missed"

check-gpu: $(STAMP)  ## check whether this machine can train and run models on its GPU
	$(BIN)/python perf/check_gpu.py

rulegraph: $(STAMP)  ## draw the graph of the rules in the README
	$(BIN)/python tests/rulegraph.py

docs: $(STAMP)  ## write the tables and the schema that are made from the code
	$(BIN)/python tests/config_docs.py
	$(BIN)/python tests/documents.py

lock: $(STAMP)  ## pin every version again
	$(BIN)/uv pip compile pyproject.toml $(addprefix --extra ,cpu train $(EXTRAS)) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml $(addprefix --extra ,gpu train-gpu $(EXTRAS)) -o requirements-gpu.lock
	$(BIN)/python tests/conda_environment.py

$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "resbench needs Python 3.11 to 3.13, but $(PYTHON) is $$($(PYTHON) --version); try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	@rm -f .venv/*.installed
	@$(BIN)/pip uninstall --quiet --yes $(OTHER_RUNTIME) 2>/dev/null
	$(BIN)/pip install --quiet --require-hashes -r $(LOCK)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
