# The same words for people and CI. Every target does its own set-up.
SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python
LOCK := .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --universal --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-postgres test-slow test-e2e soak conformance check fmt lock bench screenshots clean

help: ## Say what each word does
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: ## Start everything on embedded defaults (see README.md)
	@scripts/setup run
	@exec $(PYTHON_IN_VENV) manage.py up

test: ## All tests: check-free, on SQLite and PostgreSQL, then in a browser
	@scripts/setup test
	@scripts/test

test-fast: ## The tests that need no browser, on SQLite
	@scripts/setup test
	@scripts/test fast

test-postgres: ## The database's part of the tests, on PostgreSQL
	@scripts/setup test
	@scripts/test postgres

test-slow: ## The tests with real processes, clients and faults
	@scripts/setup test
	@scripts/test slow

soak: ## Every fault for twenty seeds; KAITOWEB_SEED=7 for that one alone (hours; see docs/reliability.md)
	@scripts/setup test
	@KAITOWEB_SOAK=$${KAITOWEB_SOAK:-20} scripts/test soak

test-e2e: ## The tests in a browser, against `manage.py up`
	@scripts/setup test
	@scripts/test e2e

conformance: ## The same tests on the sandbox and a real kube-apiserver (built once: 5 minutes, 5 GB for a while)
	@scripts/setup test
	@$(PYTHON_IN_VENV) -m scripts.conformance

check: ## Linters, types, import contracts, migrations, then all tests
	@scripts/setup test
	@scripts/check
	@scripts/test

fmt: ## Format the code and the templates
	@scripts/setup test
	@.venv/bin/ruff format -q .
	@.venv/bin/ruff check -q --fix-only .
	@git ls-files 'templates/*.html' | xargs .venv/bin/djade --target-version 5.2

lock: ## Compile the lock files anew from requirements/*.in
	@scripts/setup test
	@cd requirements && for name in base dev go uv; do ../$(LOCK) $$name.in -o $$name.txt; done && ../$(LOCK) --no-deps model.in -o model.txt
	@! grep -n '//' requirements/*.txt || { echo 'A lock file holds an address.' >&2; exit 1; }

bench: ## Measure, and print the tables of docs/performance.md
	@scripts/setup test
	@$(PYTHON_IN_VENV) -m bench

screenshots: ## Take the pictures of README.md and docs/ from a running sandbox
	@scripts/setup test
	@$(PYTHON_IN_VENV) -m scripts.screenshots
	@$(PYTHON_IN_VENV) -m scripts.fault_screenshots

clean: ## Remove the sandbox's state; installed packages stay
	@rm -rf .state
