# make demo: environment, then the main job on the handwritten digits; make test: every check and test; make test-vision, test-boosters: the extras of those names.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: env demo test test-vision test-boosters check clean
env: .venv/ready

.venv/ready: pyproject.toml constraints.txt scripts/setup
	PYTHON=$(PYTHON) scripts/setup
	touch $@

demo: env
	$(BIN)/seedleaf fit digits --time 60s --max-params 20k

test: env
	scripts/check
	scripts/test

# Networks by name need timm and torchvision, which fits one torch only: an environment of its own.
.venv-vision/ready: pyproject.toml constraints.txt scripts/setup
	PYTHON=$(PYTHON) scripts/setup .venv-vision dev,vision
	touch $@

test-vision: .venv-vision/ready
	.venv-vision/bin/python -m pytest tests/learners/test_backbones.py

# Boosted trees of other packages: an environment of its own, too.
.venv-boosters/ready: pyproject.toml constraints.txt scripts/setup
	PYTHON=$(PYTHON) scripts/setup .venv-boosters dev,boosters
	touch $@

test-boosters: .venv-boosters/ready
	.venv-boosters/bin/python -m pytest tests/learners/test_table_boosters.py

check: env
	scripts/check

clean:
	rm -rf .venv .venv-vision .venv-boosters .pytest_cache .mypy_cache .ruff_cache
