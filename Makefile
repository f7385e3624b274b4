# `make` lists the targets. They need Go, git and make. Some tests also need curl, Node,
# PostgreSQL or a browser. If a tool is missing, `make test` skips its tests, and
# `make check` installs it if it can and fails otherwise. The linters are built
# from tools/go.mod, so that everybody runs the same versions.

GO      ?= go
TOOL    := $(GO) tool -modfile=tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The race detector needs a C compiler. Without one the tests run without it.
RACE := $(if $(shell command -v $(shell $(GO) env CC) 2>/dev/null),-race)

FUZZTIME   ?= 20s
COUNT      ?= 20
SOAK       ?= --sessions 50 --messages 1000 --rate 200 --kills 200 --between 3s --faults

.DEFAULT_GOAL := help
.PHONY: help run build test interop check rest fmt fmt-check vet lint generate generated readme tools required-tools bench soak repeat fuzz vuln clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## run the demo: a session pairs and sends against a sandbox, no phone needed
	@bin/wasup demo

build: ## build bin/wasup
	@echo "Building bin/wasup. The first time takes a minute or two, because all dependencies are compiled."
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/wasup ./cmd/wasup

test: ## run the tests in random order with the race detector; skip those whose tool is missing
	@GO='$(GO)' .ci/test

interop: ## run the long test of an independent client (baileys, on Node) against the sandbox
	WASUP_INTEROP=long $(GO) test -count=1 -v ./internal/sandbox/interop
	$(GO) test -count=1 -v -run 'Baileys|Shapes' ./internal/app

# With TEST_TOOLS=optional on the command line, check skips tests whose tool is missing.
check: export TEST_TOOLS := required
check: required-tools test rest ## run all checks before a commit, as CI does

rest: fmt-check vet lint generated readme ## run all checks except the tests

fmt: ## format the sources
	$(TOOL) gofumpt -w .

fmt-check:
	@files="$$($(TOOL) gofumpt -l .)" || exit 1; \
	if [ -n "$$files" ]; then echo "not formatted (make fmt):"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

lint: ## run the linters of .golangci.yml
	$(TOOL) golangci-lint run ./...

generate: ## write the generated files
	$(GO) generate ./...

generated:
	GO='$(GO)' .ci/generated

# The flags of build share nothing with the tests' cache and would compile everything once more.
readme:
	$(GO) build -o bin/readme/wasup ./cmd/wasup
	.ci/readme bin/readme/wasup

tools: ## install the tools of some tests, if missing: curl, Node, PostgreSQL, Chromium
	@.ci/tools

required-tools:
	@.ci/tools

bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

soak: build ## test with load, 200 kills and broken networks that no message is lost, duplicated or out of order
	bin/wasup soak $(SOAK)

repeat: ## run every test COUNT times in random order, to find rare failures
	$(GO) test $(RACE) -shuffle=on -count=$(COUNT) -timeout 0 ./...

fuzz: ## run every fuzz target for FUZZTIME
	GO='$(GO)' FUZZTIME='$(FUZZTIME)' .ci/fuzz

vuln: ## scan for known vulnerabilities; not part of check, because it needs vuln.go.dev
	@$(TOOL) govulncheck ./... || { echo "make vuln: findings are above; if there are none, vuln.go.dev could not be reached"; exit 1; }

clean: ## delete the build results
	rm -rf bin coverage*
