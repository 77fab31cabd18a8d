# Everything a fresh machine with Python 3.11 and make needs: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
MARK := .venv/.installed

.PHONY: demo lab notebooks test lint type mypy pyright unit docs kernels bench chaos lock clean

demo: $(MARK)-core
	$(BIN)/agentfx demo fanout

# JupyterLab on the walkthroughs; JUPYTER_OPTIONS="--no-browser" and the like are handed on.
lab: notebooks
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 $(JUPYTER_OPTIONS) notebooks/01_effects_types_contracts.ipynb

# One process for all that are out of date. A notebook in which somebody worked is kept.
notebooks: $(MARK)-dev
	@stale=""; for source in notebooks/[0-9]*.py; do \
	  made=$${source%.py}.ipynb; \
	  if test -e $$made && test $$made -nt $$source; then continue; fi; \
	  stale="$$stale $$source"; \
	  if test -e $$made; then \
	    kept=$${source%.py}.$$(date +%Y%m%d-%H%M%S).ipynb; mv $$made $$kept; echo "kept your copy: $$kept"; \
	  fi; \
	done; \
	if test -n "$$stale"; then \
	  $(BIN)/jupytext --quiet --to ipynb --update-metadata '{"jupytext":null}' $$stale; \
	fi

test: $(MARK)-dev lint type unit

lint: $(MARK)-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Side by side: each of the two uses one core.
type: $(MARK)-dev
	$(MAKE) --jobs=2 mypy pyright

mypy pyright:
	$(BIN)/$@

# A file's tests stay in one process: those of a module share clusters and browsers. Half of their
# time they wait for what other processes do, so two cores have work for four of them.
unit: $(MARK)-dev
	$(BIN)/pytest -n 4 --dist loadfile

docs: $(MARK)-dev
	$(BIN)/pytest tests/test_docs.py

# Which clicks arrive when, on kernels old and new, each in an environment of its own.
KERNELS := 6.31.0 7.3.0 newest
kernels: $(KERNELS:%=kernel-%)

kernel-%: $(MARK)-dev
	test -x .venv-kernels/$*/bin/python || $(PYTHON) -m venv .venv-kernels/$*
	.venv-kernels/$*/bin/pip install --quiet --disable-pip-version-check -r requirements/core.txt
	.venv-kernels/$*/bin/pip install --quiet --disable-pip-version-check --upgrade \
	  ipykernel$(if $(filter newest,$*),,==$*) anywidget ipywidgets pandas nest-asyncio2
	.venv-kernels/$*/bin/pip install --quiet --disable-pip-version-check --no-deps editables hatchling
	.venv-kernels/$*/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	AGENTFX_KERNEL=$(CURDIR)/.venv-kernels/$*/bin/python $(BIN)/pytest -n 0 -q tests/kernels/matrix.py

bench: $(MARK)-dev
	$(BIN)/python -m bench

chaos: $(MARK)-dev
	$(BIN)/python -m bench.chaos

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "agentfx needs Python 3.11 or newer: run make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

$(MARK)-core: requirements/core.txt pyproject.toml | .venv/bin/python
	test -e $(MARK)-dev || $(BIN)/pip install --quiet --disable-pip-version-check -r requirements/core.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(MARK)-dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(MARK)-core

# Needs uv, only here: it resolves for every platform and Python at once.
lock:
	uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --group build -o requirements/core.txt
	uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --all-extras --group dev -o requirements/dev.txt
	uv pip compile pyproject.toml --universal --no-annotate --no-emit-index-url --no-header \
	  --python-version 3.11 --extra notebook --group lab -c requirements/dev.txt -o binder/requirements.txt
	echo ".[notebook]" >> binder/requirements.txt

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
