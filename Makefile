# make demo: environment, then the main job on the handwritten digits; make test: every check and test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: env demo test check clean
env: .venv/ready

.venv/ready: pyproject.toml constraints.txt scripts/setup
	PYTHON=$(PYTHON) scripts/setup
	touch $@

demo: env
	$(BIN)/seedleaf fit digits --time 60s --max-params 20k

test: env
	scripts/check
	scripts/test

check: env
	scripts/check

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
