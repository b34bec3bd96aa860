SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build sbom generate licences web web-deps web-check test-deps test test-web cover bench faults fuzz fmt lint vuln check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run everything in one process, with demo people to log in as
	go run ./app

# The tags leave out what nobody uses: MessagePack, and grpc's pages, for which the linker would keep every method.
build: ## build bin/bellhop, static
	CGO_ENABLED=0 go build -trimpath -tags nomsgpack,grpcnotrace -ldflags "-s -w" -o bin/bellhop ./app

sbom: ## write what is shipped to bin/, as CycloneDX
	@.ci/run sbom

generate: ## make the generated files anew
	go generate ./...

licences: web-deps ## list the licences of what is shipped, and refuse some
	@go run ./internal/licences

web-deps: ## install what the pages are built and tested with
	@.ci/test-deps npm
	@[[ node_modules/.package-lock.json -nt package-lock.json ]] || { SCARF_ANALYTICS=false npm ci --loglevel error && touch node_modules/.package-lock.json; }

web: web-deps ## build the pages into web/dist, which is committed
	npm run -s build -w web

web-check: web-deps ## lint and type-check the pages and the JavaScript client
	npm run -s lint

test-web: web-deps ## test the JavaScript client and, in a browser, the pages
	@.ci/test-deps chromium redis-server
	go build -o bin/server-under-test ./app
	SERVER_UNDER_TEST=$(CURDIR)/bin/server-under-test npm test

test-deps: ## install redis-server, nginx, promtool, systemd-analyze and PostgreSQL, which the tests start themselves
	@.ci/test-deps redis-server nginx promtool systemd-analyze openssl postgres

# Failures are told again at the end, where many packages would hide them.
test: test-deps ## test everything, with the race detector, and the pages in a browser
	@mkdir -p bin
	@.ci/go-test 2>&1 | tee bin/test.log || { \
	  echo; echo "What failed:"; \
	  grep -E '^[[:space:]]*--- FAIL|^FAIL|^panic:|^WARNING: DATA RACE|^# |\.go:[0-9]+:[0-9]+: ' bin/test.log || true; \
	  exit 1; }
	@$(MAKE) --no-print-directory test-web

cover: test-deps ## measure how much of the code the tests run, into bin/cover.html
	@mkdir -p bin
	go test -timeout 25m -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -1

bench: ## measure all that has a goal, into bench/out; BENCH=--quick or --full
	go run ./bench all $(BENCH)

faults: test-deps ## break a whole deployment for ten minutes and check the promises; FAULTS='--seed 7 --engine cluster'
	go run ./bench faults $(FAULTS)

fuzz: ## run every fuzz target for FUZZTIME, 2m unless set
	@FUZZTIME=$${FUZZTIME:-2m} .ci/run fuzz

fmt: ## format the code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

lint: ## run golangci-lint
	@.ci/run lint

vuln: ## look for known vulnerabilities
	@.ci/run vuln

check: ## all that CI checks
	@.ci/run
