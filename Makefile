# Each target sets up what it needs by itself, in .venv; the second time nothing is installed.
#   make lab        open JupyterLab on the course      (make lab JAX=cuda13 for an NVIDIA GPU)
#   make app        the explorer as a web page (make app PORT=9000 ADDRESS=0.0.0.0 for others in your network)
#   make test       run every check
#   make figures    draw the figures from committed data (make figures FRESH=1 computes the data again)
#   make book       the course as a site in book/, with slides and versions for students and teachers
#   make claims     what the paper claims, and what the data say of it
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
SCALE ?= $(or $(MRNTK_SCALE),course)
export JAX

.PHONY: help setup lab app test figures claims notebooks book lock clean
help:
	@sed -n 's/^#   /  /p' Makefile

setup:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one with PYTHON=/path/to/python." >&2; exit 2; }
	@$(PYTHON) bootstrap.py

lab: setup
	@$(BIN)/mrntk lab $(if $(PORT),--port $(PORT))

app: setup
	@$(BIN)/mrntk app $(if $(PORT),--port $(PORT)) $(if $(ADDRESS),--address $(ADDRESS))

test: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest

figures: setup
	@$(BIN)/mrntk figures --scale $(SCALE) $(if $(FRESH),--fresh)

claims: setup
	@$(BIN)/mrntk claims

# Execute the notebooks at course scale and pair the result with its Markdown source.
notebooks: setup
	@$(BIN)/mrntk course execute

book: setup
	@$(BIN)/mrntk course book

# Renew requirements.txt: the full closure, for every Python that pyproject.toml allows.
# the carriers are pinned by themselves: neither what they require nor the versions they would hold others to
lock: setup
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/python -m uv pip compile pyproject.toml --group neural-tangents --group dev --group book --universal --python-version 3.11 \
	    --no-header --no-annotate --quiet --output-file requirements.txt
	@$(BIN)/python -m uv pip compile --group carriers --no-deps --no-header --no-annotate --quiet >> requirements.txt

clean:
	rm -rf .venv book figures/data/smoke* figures/rendered/smoke* figures/data/*-* figures/rendered/*-*
