# Needs Python 3.11 to 3.14 and make; uses uv where it is installed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo check test bench-broker format lock

help:
	@echo "make demo    install what running needs, then show a trading day on the simulator"
	@echo "make setup   install everything that development needs into .venv (PARTS=\"web alerts\" adds extras)"
	@echo "make check   formatting, lint, types, import contracts, architecture tests"
	@echo "make test    setup, check and all tests"
	@echo "make bench-broker  the broker's adapter against alpaca-py and against the floor, as ratios"
	@echo "make format  format the code and mend what can be mended mechanically"
	@echo "make lock    renew requirements.lock after a change of dependencies (needs uv; UPGRADE=1 takes newer versions)"

setup:
	@$(PYTHON) scripts/setup.py test $(PARTS)

demo:
	@$(PYTHON) scripts/setup.py run
	@$(BIN)/ops demo

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/architecture

test: check
	$(BIN)/pytest -n 2

bench-broker: setup
	@missed=0; for name in chain_page order_path stream_decode; do \
		$(BIN)/python benchmarks/$$name.py || missed=1; done; exit $$missed

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

lock:
	$(PYTHON) scripts/lock.py $(if $(UPGRADE),--upgrade)
