# SPDX-License-Identifier: Apache-2.0
# Everything runs in .venv, which `setup` makes; nothing but python3 and make is expected.

PYTHON := .venv/bin/python
STACK := $(PYTHON) -P -m souk_local

.DEFAULT_GOAL := help
.PHONY: help setup up down restart purge status logs audit repair drill test lint fmt types lock openapi chaos bench k8s-secrets \
  compose compose-down compose-purge test-compose

help: ## Show the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ The stack on this machine
up: setup ## Start everything, with an admin and demo data; safe to repeat
	@$(STACK) up

down: setup ## Stop everything; the data stays
	@$(STACK) down

restart: setup ## Replace every process by one with the code of today; no request fails
	@$(STACK) restart

purge: setup ## Stop everything and delete its data (.run/)
	@$(STACK) purge

status: setup ## Every process with pid, state and memory
	@$(STACK) status

logs: setup ## The end of every log; FOLLOW=1 goes on, PROCESS=orders-web shows one
	@$(STACK) logs $(if $(FOLLOW),--follow) $(PROCESS)

audit: setup ## Prove that the running shop has lost, doubled and oversold nothing
	@$(STACK) audit

repair: setup ## What of a broken shop could be repaired; APPLY=1 does it
	@$(STACK) repair $(if $(APPLY),--apply)

drill: setup ## A flash sale to watch, with kills in between and a proof; BUYERS=200 UNITS=100
	@$(STACK) drill

##@ On a cluster
k8s-secrets: setup ## The secrets of deploy/k8s/overlays/demo, made once
	@$(PYTHON) -P -m souk_local.kubernetes deploy/k8s/overlays/demo/secrets

##@ The stack in containers
compose: setup ## Build and start everything with Docker Compose, with an admin and demo data
	@$(PYTHON) -P -m souk_local.compose up

compose-down: setup ## Stop and remove the containers; the data stays
	@$(PYTHON) -P -m souk_local.compose down

compose-purge: setup ## Stop and remove the containers and their data
	@$(PYTHON) -P -m souk_local.compose down --with-data

test-compose: setup ## The shop from outside, tested on a stack of containers of its own
	@SOUK_TEST_STACK=compose $(PYTHON) -m pytest tests/e2e -m "not inside" $(ARGS)

##@ Development
setup: ## Make .venv from the hashed locks; done by the others when needed
	@deploy/local/bootstrap

# Two processes for everything; a choice is run by one, in its order.
test: setup ## Run all tests; ARGS="-k stock" and the like go to pytest
	@$(PYTHON) -m pytest $(or $(ARGS),-n 2 --no-loadscope-reorder)

chaos: setup ## Kill everything while people buy, and judge each round; MINUTES=30 SEED=7
	@CHAOS_MINUTES=$(or $(MINUTES),5) CHAOS_SEED=$(SEED) $(PYTHON) -m pytest tests/chaos -q $(ARGS)

bench: setup ## Measure both sides of every ratio and write docs/benchmarks.md; P=P1,P2
	@PYTHONPATH=tests $(PYTHON) -m benchmarks $(P)

lint: setup types ## Check style, types and who may import whom
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	.venv/bin/lint-imports

fmt: setup ## Put the code into its form
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

types: setup ## Check types
	$(PYTHON) -m mypy libs/*/src services/*/src gateway/shipper/src deploy/local/src deploy/soukctl/src tools/apidocs/souk_apidocs

openapi: setup ## Make the API document, its page and the Postman collection from the code
	@PYTHONPATH=tools/apidocs $(PYTHON) -m souk_apidocs

lock: setup ## Compile the hashed locks anew after a change of dependencies
	requirements/compile
