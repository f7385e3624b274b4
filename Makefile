# `make` lists the targets. They need Go, git and make. Some tests need Node,
# PostgreSQL or a browser as well: `make test` skips them where those are
# missing, `make check` installs them where it can and fails without. The linters
# are built from tools/go.mod, so that everybody runs the same ones.

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

run: ## the demo: a session pairs, sends and receives against a sandbox, no phone needed
	$(GO) run ./cmd/wasup demo

build: ## bin/wasup
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/wasup ./cmd/wasup

test: ## the tests, in random order, with the race detector; those whose tool is missing are skipped
	@GO='$(GO)' .ci/test

interop: ## an independent client (baileys, on Node) against the sandbox, at length
	WASUP_INTEROP=long $(GO) test -count=1 -v ./internal/sandbox/interop

# TEST_TOOLS=optional on the command line lets check skip what cannot be tested here.
check: export TEST_TOOLS := required
check: required-tools test rest ## everything that must hold before a commit: what CI runs

rest: fmt-check vet lint generated readme ## what check does beside the tests

fmt: ## format the sources
	$(TOOL) gofumpt -w .

fmt-check:
	@files="$$($(TOOL) gofumpt -l .)" || exit 1; \
	if [ -n "$$files" ]; then echo "not formatted (make fmt):"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

lint: ## the linters of .golangci.yml
	$(TOOL) golangci-lint run ./...

generate: ## write the generated files anew
	$(GO) generate ./...

generated:
	GO='$(GO)' .ci/generated

readme: build
	.ci/readme bin/wasup

tools: ## what some tests need: Node, PostgreSQL, Chromium; installed where it is missing and can be
	@.ci/tools

required-tools:
	@.ci/tools

bench: ## the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

soak: build ## load, 200 times kill -9 and broken networks: nothing may be lost, doubled or out of order
	bin/wasup soak $(SOAK)

repeat: ## every test COUNT times in random order, to find what fails rarely
	$(GO) test $(RACE) -shuffle=on -count=$(COUNT) -timeout 0 ./...

fuzz: ## every fuzz target for FUZZTIME
	GO='$(GO)' FUZZTIME='$(FUZZTIME)' .ci/fuzz

vuln: ## known vulnerabilities; needs vuln.go.dev, so it is no part of check
	@$(TOOL) govulncheck ./... || { echo "make vuln: findings are above; if there are none, vuln.go.dev could not be reached"; exit 1; }

clean: ## remove what was built
	rm -rf bin coverage*
