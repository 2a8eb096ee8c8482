# `make demo` and `make test` set up all they need: only Python 3.11 or newer, pip and make have to be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --editable

# What the integration tests need of the operating system.
TOOLS := git curl wget openssl htpasswd=apache2-utils chromium chromedriver=chromium-driver fail2ban-regex=fail2ban \
    nginx /usr/lib/nginx/modules/ngx_stream_module.so=libnginx-mod-stream haproxy apache2 testssl=testssl.sh \
    systemd-analyze=systemd bwrap=bubblewrap logrotate promtool=prometheus kubectl=kubernetes-client ip=iproute2 \
    pg_ctlcluster=postgresql

# Tests spend half of their time waiting for processes: three files at a time keep two processors busy.
SIDE_BY_SIDE := -n 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit integration docs clean-root drill bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo         serve a sample Trac environment at http://localhost:8000/ and https://localhost:8443/ (PORT=8001"
	@echo "                  and HTTPS_PORT=8444 for other ports)"
	@echo "make test         everything that has to pass: lint, types, unit and integration tests (LACKING=skip leaves out"
	@echo "                  what this machine has not all for)"
	@echo "make lint         ruff and mypy"
	@echo "make unit         the tests that need no other process"
	@echo "make integration  the tests against real processes"
	@echo "make docs         make docs/options.md anew from the table of options"
	@echo "make clean-root   do what README.md and docs/systemd.md say in a fresh Debian (CLEAN_ROOT=FOLDER keeps it there)"
	@echo "make drill        change, kill and replace everything under load, at length (DRILL_ROUNDS=3 DRILL_GENERATIONS=200)"
	@echo "make bench        measure against tracd, nginx + tracd and gunicorn (BENCH=--quick for a few minutes)"
	@echo "make clean        remove what all of this has made"

demo: $(VENV)/sample
	@.ci/tools git
	@PORT=$(PORT) HTTPS_PORT=$(HTTPS_PORT) HOST=$(HOST) exec $(BIN)/python -m sample.demo

test: $(VENV)/dev lint
	@.ci/tools $(TOOLS)
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/unit tests/integration

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 -o faulthandler_timeout=0 tests/unit

integration: $(VENV)/dev
	@.ci/tools $(TOOLS)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/integration

docs: $(VENV)/dev
	$(BIN)/python -m tests.docs.options_page

# Needs root, and Debian's packages from where apt has them here.
clean-root: $(VENV)/dev
	@.ci/tools debootstrap bwrap=bubblewrap
	CLEAN_ROOT=$(CLEAN_ROOT) $(BIN)/python -m tests.clean_root

# At length; a short form of it is among the integration tests.
drill: $(VENV)/dev
	DRILL_ROUNDS=$(or $(DRILL_ROUNDS),3) DRILL_GENERATIONS=$(or $(DRILL_GENERATIONS),200) \
	    $(BIN)/python -m pytest -s tests/integration/drill -o faulthandler_timeout=3600

bench: $(VENV)/bench
	@.ci/tools git nginx wrk openssl haproxy apache2 caddy
	$(BIN)/python -m tests.bench $(BENCH)

clean:
	rm -rf $(VENV) .demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find twisted -name dropin.cache -delete

# The virtual environment is made anew when pyproject.toml changes. Where Python comes without ensurepip (Debian
# without python3-venv), its own pip puts one in.
$(VENV)/created: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d; tracd-cluster needs 3.11 or newer, as in: make demo PYTHON=python3.12" % v[:2])'
	@echo "Setting up $(VENV) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	    || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	@touch $@

$(VENV)/sample: $(VENV)/created
	@$(PIP) '.[sample]'
	@touch $@

$(VENV)/dev: $(VENV)/created
	@$(PIP) '.[dev]'
	@touch $@

$(VENV)/bench: $(VENV)/created
	@$(PIP) '.[dev,bench]'
	@touch $@
