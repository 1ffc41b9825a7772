# Two commands set up and go: `make serve` and `make test`. Both work first, from a bare checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

ifdef UV
INSTALL = UV_PROJECT_ENVIRONMENT= VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode
CREATE = $(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
else
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
CREATE = $(PYTHON) -m venv $(VENV)
endif

.PHONY: serve test lint bench bench-ledger bench-runs bench-kills conformance spec schemathesis e2e chaos uploads badday dialects vendors newcomer screenshots parameters tokens lock

serve: $(VENV)/.runtime            ## bare checkout to a running gateway
	@exec $(BIN)/tollgate serve

# Tests start hundreds of processes: none should have to compile everything again. On a machine as busy as that some
# process may be later than a test waits for it: what fails is tried once more, and named at the end.
test: $(VENV)/.dev                 ## bare checkout to a green run
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q -rR -n 4 --dist loadfile --no-loadscope-reorder --reruns 1 --reruns-delay 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev                ## figures beside peers, into docs/benchmarks.md
	$(BIN)/python -m bench

bench-ledger: $(VENV)/.dev         ## ten million usage records in PostgreSQL, into docs/ledger.md
	$(BIN)/python -m bench.ledger

bench-runs: $(VENV)/.dev           ## how fast runs are streamed, in production's shape, into docs/runs.md
	$(BIN)/python -m bench.runs

bench-kills: $(VENV)/.dev          ## 200 runs at once, and 20 kills among 200 more, in both shapes
	env -u DATABASE_URL -u REDIS_URL TRIED_RUNS=200 TRIED_KILLS=20 TRIED_BEFORE_EACH_KILL=10 $(BIN)/python -m pytest -q tests/gateway/assistants/test_runs_many_live.py
	.ci/services
	DATABASE_URL=$${DATABASE_URL:-postgresql://postgres@127.0.0.1:5432/postgres} REDIS_URL=$${REDIS_URL:-redis://127.0.0.1:6379/9} \
	TRIED_RUNS=200 TRIED_KILLS=20 TRIED_BEFORE_EACH_KILL=10 $(BIN)/python -m pytest -q tests/gateway/assistants/test_runs_many_live.py

parameters: $(VENV)/.dev           ## docs/parameters.md, from the adapters
	$(BIN)/python -m providers.parameter_table > docs/parameters.md

conformance: $(VENV)/.dev          ## real clients and standard tests
	$(BIN)/python -m bench.conformance

spec: $(VENV)/.dev                 ## answers and events against OpenAI's specification, recordings replayed
	$(BIN)/python -m pytest -q tests/conformance tests/gateway/responses tests/gateway/test_openapi.py tests/gateway/test_openapi_live.py

schemathesis: $(VENV)/.dev         ## made-up requests by both documents, into docs/conformance.md
	$(BIN)/python -m bench.fuzzing

newcomer: $(VENV)/.dev             ## clone, serve, first key, SDK, verify_ledger, stop
	$(BIN)/python -m bench.newcomer

e2e: $(VENV)/.dev                  ## pages in real Chromium
	$(BIN)/python -m pytest -q tests/e2e

chaos: $(VENV)/.dev                ## the long kill run
	$(BIN)/python -m bench.chaos

uploads: $(VENV)/.dev              ## what an upload of 1 GB adds to the process: figures of docs/files.md
	$(BIN)/python -m bench.uploads

badday: $(VENV)/.dev               ## two upstreams, one failing: figures for docs/routing.md
	$(BIN)/python -m bench.badday

dialects: $(VENV)/.dev             ## the real clients in front of other wire formats
	$(BIN)/python -m bench.dialects

vendors: $(VENV)/.dev             ## hand-written recordings, read by the vendors' own SDKs
	$(BIN)/python -m bench.vendors

screenshots: $(VENV)/.dev          ## every page as PNG
	$(BIN)/python -m bench.screenshots

tokens: $(VENV)/.dev               ## token counts beside npm's gpt-tokenizer
	npm install --silent --no-save --prefix var/gpt-tokenizer gpt-tokenizer@4.0.0
	GPT_TOKENIZER=var/gpt-tokenizer $(BIN)/python -m pytest -q tests/conformance/test_gpt_tokenizer.py

lock:                              ## needs uv
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --extra build pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --extra build --extra dev pyproject.toml -o requirements-dev.lock

$(VENV)/.created:
	$(CREATE)
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.created
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/.created
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime
