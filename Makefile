.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
# 3.11 or newer; another one than the system's: make install PYTHON=python3.12
PYTHON ?= python3
# two workers share the tests, a file at a time, in the order of tests/conftest.py
SHARED := -n 2 --dist loadfile --no-loadscope-reorder
# dvc runs the stages by `python`, which must be this environment's
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/installed ## make .venv and install everything into it

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: install ## run the pipeline on the embedded data set
	dvc repro
	dvc checkout --quiet --relink
	@echo
	@pplr history

test: install ## run the tests
	python -m pytest $(SHARED) -m 'not slow'

test-slow: install ## run the tests that take minutes, too
	python -m pytest $(SHARED)

ablation: install ## run the rows of the paper's tables in DVC's queue (hours; goes on when stopped)
	python -m benchmarks.ablation

sweep-k: install ## sweep k over the run's settings in DVC's queue: a table and a plot (Fig. 3)
	python -m benchmarks.sweep k $(or $(VALUES),5 10 20 30 40)

sweep-beta: install ## the same for beta
	python -m benchmarks.sweep beta $(or $(VALUES),0.1 0.3 0.5 0.7 0.9)

baseline: install ## record anew what tests/baseline compares with, and say what moved
	python -m tests.baseline.check --record

lint: install ## check style and types
	ruff check .
	ruff format --check .
	mypy

.PHONY: help install demo test test-slow ablation sweep-k sweep-beta baseline lint
