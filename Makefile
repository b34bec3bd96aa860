SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build generate test-deps test cover bench fmt lint vuln check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run everything in one process, with demo people to log in as
	go run ./app

build: ## build bin/bellhop, static
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/bellhop ./app

generate: ## make the generated files anew
	go generate ./...

test-deps: ## install redis-server and nginx, which the tests start themselves
	@.ci/test-deps

# Failures are told again at the end, where many packages would hide them.
test: test-deps ## test everything, with the race detector
	@mkdir -p bin
	@{ go test -race -timeout 40m ./... && go test -run TestEveryTransitionInEveryState ./broker; } 2>&1 | tee bin/test.log || { \
	  echo; echo "What failed:"; \
	  grep -E '^[[:space:]]*--- FAIL|^FAIL|^panic:|^WARNING: DATA RACE|^# |\.go:[0-9]+:[0-9]+: ' bin/test.log || true; \
	  exit 1; }

cover: test-deps ## measure how much of the code the tests run, into bin/cover.html
	@mkdir -p bin
	go test -timeout 25m -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -1

bench: ## measure a running system; see bench/
	go run ./bench

fmt: ## format the code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

lint: ## run golangci-lint
	@.ci/run lint

vuln: ## look for known vulnerabilities
	@.ci/run vuln

check: ## all that CI checks
	@.ci/run
