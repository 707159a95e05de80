# Picket. Everything that a target needs, it installs, builds or names itself: `make help`.
SHELL    := bash
.SHELLFLAGS := -eu -o pipefail -c
CACHE    ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/picket
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  := -s -w -X github.com/picket-project/picket/cmd/cli.version=$(VERSION)
WORLDS   ?= 20000
FUZZTIME ?= 30s
export GOFLAGS := -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build demo test tools lint unit race laws packets api mutants fuzz clean

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/picket, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/picket ./cmd/picket

demo: build ## the three policies everyone starts with, on real packets
	bin/picket sandbox run -f deploy/demo

test: tools lint unit race laws packets ## everything below, at most 10 minutes on 2 cores

tools: ## the nft program, which the tests compare with
	@.ci/tools nft

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	go tool staticcheck ./...

unit: tools ## tables, goldens, encoders, kernel state
	go test -count=1 ./ruleset/... ./nft/... ./cmd/picket

race: tools ## all that runs goroutines, under the race detector
	go test -count=1 -race ./controller/... ./cmd/cli

laws: ## compiled programs against the oracle, over many random worlds
	go test -count=1 ./ruleset/policy -run Oracle -worlds=$(WORLDS) -v | grep -v '^=== '
	go test -count=1 ./controller/graph -run History -histories=1000

packets: tools ## random worlds on real packets
	go test -count=1 -race ./cmd/sandbox

api: build ## the agent against a real kube-apiserver (builds one on the first run: minutes)
	cd e2e && go vet ./...
	CACHE=$(CACHE) e2e/apiserver.sh
	cd e2e && PICKET=$(CURDIR)/bin/picket CACHE=$(CACHE) go test -count=1 ./...

mutants: tools ## plant faults; every one must be found
	go run ./.ci/mutants

fuzz: ## the fuzz targets, FUZZTIME each
	@.ci/fuzz $(FUZZTIME)

clean: ## what was built here
	rm -rf bin
