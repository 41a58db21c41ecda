# ShadowMesh: `make demo` shows it, `make test` tests it. Both do all set-up by themselves.
# Needs Swift 6.3; root for everything that makes namespaces.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One configuration for everything: a debug build of the cryptography is ten times slower and would be built besides.
SWIFT_BUILD := swift build -c release
SWIFT_TEST := swift test -c release --skip-build
# Link the Swift libraries into the daemon where the toolchain has them as archives. Not while tests are linked: their
# bundle would get the same flags, and there is no static test library.
SWIFT_RESOURCES := $(shell swift -print-target-info 2>/dev/null | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
ifneq ($(wildcard $(SWIFT_RESOURCES)_static/linux/libFoundation.a),)
BUILD_DAEMON := SHADOWMESH_STATIC_STDLIB=1 $(SWIFT_BUILD) --product shadowmesh
else
BUILD_DAEMON := $(SWIFT_BUILD) --product shadowmesh
endif
SEEDS ?= 10000
SECONDS_EACH ?= 10
ROUNDS ?= 3
CONTRACTS_VENV := $(CURDIR)/.build/contracts-venv
CONTRACTS_PINS := Contracts/requirements.txt Contracts/fetch_ens.py

.PHONY: help build demo demo-keep registry-demo lab nat-matrix test lint simulate fuzz vectors vectors-check interop \
	bench bench-micro \
	contracts-venv contracts-test contracts-build registry-vectors devchain dependencies clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

dependencies: ## Install what the lab needs, where it is missing
	@if [[ $$(id -u) == 0 ]]; then Lab/install-dependencies.sh; \
	else Lab/install-dependencies.sh || echo "not root: lab tests will be skipped"; fi

build: dependencies ## Build the programs
	@$(BUILD_DAEMON)
	@$(SWIFT_BUILD) --product shadowmesh-wan

demo: dependencies build ## Two hosts and a relay in namespaces: meet, use the relay, leave it, come back (root)
	@Lab/run.sh demo.py

demo-keep: dependencies build ## The same, and leave it up for playing (root)
	@Lab/run.sh demo.py keep

registry-demo: dependencies build contracts-venv ## Relays registered on a development chain, and two nodes that find them there (root)
	@PYTHON=$(CONTRACTS_VENV)/bin/python Lab/run.sh registry_demo.py

lab: dependencies build ## Paths in many kinds of networks, and their failures: make lab [ONLY=same-lan] (root)
	@Lab/run.sh paths.py $(ONLY)

nat-matrix: dependencies build ## Hosts behind NAT boxes of every kind: make nat-matrix [ONLY="full-cone restricted"] (root)
	@Lab/run.sh nat_boxes.py
	@Lab/run.sh nat_netcheck.py
	@Lab/run.sh nat_matrix.py $(ONLY)

test: dependencies lint contracts-test registry-vectors ## Everything: clean-build import check, unit, simulator, lab and contract tests
	@$(SWIFT_BUILD) --build-tests --explicit-target-dependency-import-check error
	@$(BUILD_DAEMON) --explicit-target-dependency-import-check error
	@# The simulator takes every processor for minutes: beside it, tests with sockets would wait and time out.
	@$(SWIFT_TEST) --filter '^MeshSimTests'
	@mkdir -p out && rm -f out/test.failed
	@REGISTRY_VECTORS=$(CURDIR)/out/registry-vectors $(SWIFT_TEST) --skip '^MeshSimTests' 2>&1 | tee out/test.log || touch out/test.failed
	@sed -nE 's/.* Test .* skipped: "(.*)".*/\1/p' out/test.log | sort | uniq -c | \
		awk '{ n = $$1; sub(/^ *[0-9]+ /, ""); print n " tests were skipped: " $$0 }'
	@# What failed once more, after everything else: it is a long way up.
	@if rm out/test.failed 2>/dev/null; then grep -A4 -E '^✘|: error: ' out/test.log || true; exit 1; fi

lint: ## Check the format of all sources
	@swift format lint --strict --recursive --parallel Package.swift Sources Tests Lab Fuzz Benchmarks/Sources

simulate: ## Simulate whole meshes: make simulate SEEDS=100000 [FIRST=1]; a failing seed replays with SEEDS=1 FIRST=seed
	@$(SWIFT_BUILD) --build-tests
	@MESH_SEEDS=$(SEEDS) MESH_SEED=$(or $(FIRST),1) $(SWIFT_TEST) --filter MeshSimTests

fuzz: ## Fuzz every parser: make fuzz [SECONDS_EACH=60]
	@$(SWIFT_BUILD) --product shadowmesh-fuzz
	@.build/release/shadowmesh-fuzz run all --seconds $(SECONDS_EACH)

bench-micro: ## Count allocations, instructions and time of the hot path against thresholds; writes out/benchmarks.json
	@$(SWIFT_BUILD) --product mesh-benchmarks
	@.build/release/mesh-benchmarks

bench: dependencies build bench-micro ## Side by side with other VPNs and the C forwarder; out/bench.json (root)
	@Benchmarks/install-dependencies.sh
	@Benchmarks/Ceiling/build.sh .build/release .build/release/mesh-ceiling
	@PYTHONDONTWRITEBYTECODE=1 python3 Benchmarks/bench.py --daemon .build/release/shadowmesh \
		--ceiling .build/release/mesh-ceiling --micro out/benchmarks.json --rounds $(ROUNDS)

vectors: ## Make the test vectors anew (signatures and ciphertexts are random: the files change each time)
	@$(SWIFT_BUILD) --product shadowmesh-vectors
	@.build/release/shadowmesh-vectors Tests/Vectors

vectors-check: dependencies ## Check the vectors with an implementation in Python that shares no code with this one
	@test -x .build/vectors-venv/bin/python || python3 -m venv .build/vectors-venv
	@.build/vectors-venv/bin/python -m pip install --quiet --requirement Tests/Vectors/requirements.txt
	@.build/vectors-venv/bin/python Tests/Vectors/check.py

interop: vectors-check ## A node in Python, written from docs/PROTOCOL.md, meets a real node at a real relay (root)
	@$(BUILD_DAEMON)
	@PYTHON=$(CURDIR)/.build/vectors-venv/bin/python Tests/Interop/run.sh

contracts-venv: dependencies ## Make the Python environment of the registry's contract: compiler, EVM, byte code of ENS
	@# Made anew when the pins change; `ready` holds those for which it is whole.
	@if ! cat $(CONTRACTS_PINS) | cmp -s - $(CONTRACTS_VENV)/ready; then \
		rm -rf $(CONTRACTS_VENV); \
		python3 -m venv $(CONTRACTS_VENV); \
		$(CONTRACTS_VENV)/bin/python -m pip install --quiet --requirement Contracts/requirements.txt; \
		$(CONTRACTS_VENV)/bin/python Contracts/fetch_ens.py $(CONTRACTS_VENV)/ens-contracts.json; \
		cat $(CONTRACTS_PINS) > $(CONTRACTS_VENV)/ready; \
	fi

contracts-test: contracts-venv ## Compile the registry's contract and test it, and the tools around it, on a real EVM
	@$(CONTRACTS_VENV)/bin/ruff check --quiet Contracts
	@$(CONTRACTS_VENV)/bin/ruff format --quiet --check Contracts
	@cd Contracts && $(CONTRACTS_VENV)/bin/python -m pytest

contracts-build: contracts-venv ## Compile the contract anew into Contracts/artifacts
	@cd Contracts && $(CONTRACTS_VENV)/bin/python -m chain.artifact

registry-vectors: contracts-venv ## Reference vectors for the Swift client: thousands into out/registry-vectors [SEED=1]
	@$(CONTRACTS_VENV)/bin/python Contracts/vectors.py --seed $(or $(SEED),1) --out out/registry-vectors

devchain: contracts-venv ## Run a development chain with registry and ENS: make devchain [ARGUMENTS='--relays 200 --port 8545']
	@$(CONTRACTS_VENV)/bin/python Contracts/devchain.py $(or $(ARGUMENTS),--port 8545)

clean: ## Remove everything that was built
	@rm -rf .build .build-* out
