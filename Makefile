# `make demo` and `make test` need nothing but Python 3.11-3.13 and make.
# Another interpreter: make test PYTHON=python3.12 (the environment is then made anew).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The interpreter's version stands in the stamp's name, so that a change of PYTHON is noticed too.
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
INSTALLED := $(VENV)/.installed-$(PYTHON_VERSION)
READY := $(VENV)/.ready
DOCS := $(VENV)/docs/.installed
LIBTPU := $(VENV)/libtpu/.installed

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test test-slow tpu-check examples docs dist-check readme-check release clean

demo: $(READY)
	$(BIN)/pianist render examples/*.musicxml -o demo --plot --audio --force

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not slow" -n 2 --dist loadfile

test-slow: $(READY) $(LIBTPU)
	$(BIN)/pytest -q -m slow -n 2 --durations 10

# The training steps compiled for slices of TPUs, without one: tpu/README.md.
tpu-check: $(READY) $(LIBTPU)
	$(BIN)/python -m tpu.report

examples: $(READY)
	$(BIN)/python -m examples.build

# The documentation site, in build/site; whatever is wrong with a link or a reference stops it.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict --quiet

# Wheel and sdist, tried in clean environments of each Python that is found.
dist-check: $(READY)
	$(BIN)/python -m tests.checks.dist

# The commands of README and guides, run as they stand.
readme-check: $(READY)
	$(BIN)/python -m tests.checks.readme

# Whether this commit may be released.
release: $(READY)
	$(BIN)/python -m tests.checks.release

clean:
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --no-compile -r requirements.txt
	touch $@

$(READY): $(INSTALLED) pyproject.toml
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

# What builds the site has an environment of its own: it reads the package and does not import it.
$(DOCS): docs/requirements.txt
	$(PYTHON) -m venv --clear $(VENV)/docs
	$(VENV)/docs/bin/python -m pip --quiet --disable-pip-version-check install -r $<
	touch $@

# The TPU compiler lies beside the environment, not in it: found there, JAX would look for TPUs in every command.
$(LIBTPU): $(INSTALLED) tpu/requirements.txt
	$(PIP) install --no-deps --upgrade --target $(@D) -r tpu/requirements.txt
	touch $@
