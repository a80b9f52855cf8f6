# Every target installs the packages it needs; nothing has to be prepared.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
TSX := node --import tsx
BIN := node_modules/.bin
# Where the machine's Node is too old, the pinned one comes first on PATH.
NODE_FOLDER := $(shell node tools/node.mjs)
ifneq ($(NODE_FOLDER),)
export PATH := $(NODE_FOLDER):$(PATH)
endif

.PHONY: help install install-tests dev server e2e build build-backend build-leases build-plugin build-gateway package demo test bench faults faults-memory faults-workers serve-memory mutations check clean \
	check-format check-lint check-unused check-types check-plugin-types check-unit check-frontend check-go

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

install: ## install the lockfile's packages, unless they are in node_modules already
	@node tools/install.mjs

install-tests:
	@node tools/install.mjs --tests

build: build-backend build-plugin build-gateway ## build the backend, the plugin's frontend and the gateway for this machine

build-backend: install
	@$(TSX) tools/build-backend.ts

build-leases: install ## build the lease program of many workers (Java 17, Maven) into backend/leases/
	@$(TSX) tools/build-leases.ts

build-plugin: install
	@$(BIN)/webpack --env production

build-gateway: install
	@go tool mage gateway

dev: build-backend build-gateway ## build the plugin whenever a source changes, and show it in the plugin host on local servers
	@$(TSX) dev/dev.ts

server: build-gateway ## run the compose file with dist/ mounted into Grafana: reload the page to see what make dev has built
	@docker compose -f docker-compose.yml -f docker-compose.development.yml up --build

e2e: build ## run the specs of tests/e2e on a real Grafana: GRAFANA_HOME=… starts one, GRAFANA_URL=… uses one
	@$(TSX) dev/e2e.ts $(E2E_FLAGS)

package: install ## build the release, artifacts/ID-VERSION.zip, with the gateway for every platform, and checksums
	@$(TSX) tools/package.ts

demo: build-backend ## run the whole pipeline on local servers; DEMO_SECONDS=N ends it, DEMO_FILE=… sends a Higgs file
	@$(TSX) tools/demo.ts

test: install-tests build ## run every suite; ends with "N passed, N failed"
	@$(TSX) tools/test.ts

bench: install build-backend build-gateway ## measure everything and write docs/benchmarks.md; PARTS="ingest query" measures only these, BENCH_FLAGS=--quick is a trial run
	@$(TSX) bench/run.ts $(BENCH_FLAGS) $(PARTS)

faults: build-backend ## run the long form of the fault suite: a million events, 200 kills, a table; FAULTS_SEED=N repeats a run
	@node --max-old-space-size=6144 --import tsx tests/faults/long.ts

faults-memory: build-backend ## measure resident memory with both sinks down for ten minutes; draws docs/img/memory-sinks-down.svg
	@node --max-old-space-size=6144 --import tsx tests/faults/memory.ts

faults-workers: build-backend build-leases ## run the faults of many workers: three of them, eight shards, 20 kills, a table; takes a quarter of an hour
	@node --max-old-space-size=6144 --import tsx tests/faults/workers-long.ts

serve-memory: build-backend ## measure resident memory of serve under 32 clients with the largest queries for ten minutes; draws docs/img/memory-serve.svg
	@node --max-old-space-size=6144 --import tsx tests/faults/serve-memory.ts

mutations: install ## break ingest's promises one at a time and show which tests notice; takes an hour, MUTATIONS=--first a third of it
	@$(TSX) tests/mutations/run.ts $(MUTATIONS)

check: install ## check format, lint and types, and run unit and frontend tests; takes under a minute
	@$(MAKE) --output-sync=target -j 3 check-unit check-lint check-frontend check-types check-plugin-types check-unused check-format check-go

check-format:
	@$(BIN)/prettier --check --cache --log-level warn .

check-lint:
	@$(BIN)/eslint --cache --cache-location node_modules/.cache/eslint/ .

# Files, exports and packages that nothing uses.
check-unused:
	@$(BIN)/knip --no-progress

check-types:
	@$(BIN)/tsc -p .

check-plugin-types:
	@$(BIN)/tsc -p src

# Two processes, because a single vitest process leaves a core idle. Only make test runs all seeds of the simulation and
# the whole Higgs file.
check-unit:
	@SIMULATION_SEEDS=8 $(BIN)/vitest run --project unit --exclude '**/schema/higgs.test.ts' --maxWorkers 2 --reporter dot

check-frontend:
	@$(BIN)/vitest run --project frontend --reporter dot

check-go:
	@if ! command -v go >/dev/null; then echo 'Go is not installed: pkg/ is not checked.'; exit 0; fi; \
	unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then printf 'gofmt would change:\n%s\n' "$$unformatted"; exit 1; fi; \
	go vet -tags arrow_json_stdlib ./...

clean: ## remove what was built; caches and packages stay
	@rm -rf dist backend/dist artifacts coverage
