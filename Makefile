# `make demo` and `make test` do all the set-up; see `make help`.

PYTHON ?= python3
VENV ?= .venv
# uv does not read pip's settings: carry the folder of local wheels over.
UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_FIND_LINKS
export OMP_NUM_THREADS ?= 1

BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/*/pyproject.toml)
EDITABLE := $(foreach file,$(PLUGINS),-e $(patsubst %/,%,$(dir $(file))))
READY := $(VENV)/.ready

.PHONY: help env demo test lint types docs clean

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

env: $(READY)  ## Make the environment in .venv: the core, all plugins and the tools

$(READY): pyproject.toml requirements-dev.txt $(PLUGINS) Makefile
	@$(PYTHON) -c 'import sys; sys.exit("SkillForge needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Set PYTHON=...") if sys.version_info < (3, 11) else 0'
	@echo "==> Making the environment in $(VENV) (once; PyTorch is the large part)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "==> Installing SkillForge and $(words $(PLUGINS)) plugins"
	@$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -r requirements-dev.txt -e . $(EDITABLE)
	@$(BIN)/python -m compileall -q skillforge plugins >/dev/null || true
	@touch $@

demo: $(READY)  ## Evaluate the embedded model on problems made by code: no download, under a minute
	@echo "==> skillforge eval --benchmark forge-arith --limit 200"
	@$(BIN)/skillforge eval --benchmark forge-arith --limit 200

# More processes than CI has cores: many tests wait, for servers, time-outs and signals. tests/conftest.py gives the order.
test: $(READY)  ## Run all tests
	@echo "==> Running all tests"
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder -q --junitxml=build/tests.xml

lint: $(READY)  ## Check style
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)  ## Check types
	@echo "==> mypy --strict"
	@$(BIN)/mypy

docs: $(READY)  ## Build the documentation into site/
	@echo "==> Building the documentation"
	@$(BIN)/mkdocs build --strict --quiet

clean:  ## Remove the environment and all that was built
	rm -rf $(VENV) site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
