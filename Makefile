# Picket. Everything that a target needs, it installs, builds or names itself: `make help`.
SHELL    := bash
.SHELLFLAGS := -eu -o pipefail -c
CACHE    ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/picket
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
COMPILE  := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X github.com/picket-project/picket/cmd/cli.version=$(VERSION)'
WORLDS   ?= 20000
FUZZTIME ?= 30s
SOAK     ?= 10m
VARIANT  ?= --flannel=host-gw --kube-proxy=nftables --families=IPv4
CLUSTER  := $(CACHE)/cluster/bin/cluster
export GOFLAGS := -buildvcs=false
export CACHE CLUSTER VARIANT VERSION

.DEFAULT_GOAL := help
.PHONY: help build image manifests demo test tools lint unit race laws packets api mutants fuzz clean
.PHONY: cluster cluster-up cluster-down cluster-shell e2e conformance reliability soak bench bench-compare
help: ## say what there is
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
build: ## bin/picket, one static binary
	$(COMPILE) -o bin/picket ./cmd/picket
image: image-amd64 image-arm64 ## bin/image-ARCH.tar for ctr, k3s ctr, docker load; no container engine is needed
image-%:
	GOARCH=$* $(COMPILE) -o bin/picket-$* ./cmd/picket
	cd deploy && go run ./image -binary ../bin/picket-$* -arch $* -o ../bin/$@.tar
manifests: ## deploy/picket.yaml from deploy/base
	cd deploy && go run ./render
demo: build ## the three policies everyone starts with, on real packets
	bin/picket sandbox run -f deploy/demo

test: tools lint unit race laws packets $(if $(wildcard $(CACHE)/cluster/bin/kube-apiserver),api) ## at most 10 minutes on 2 cores
tools: ## the nft program, which the tests compare with, and strace, which breaks system calls
	@.ci/tools nft strace
lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	for module in . deploy e2e; do (cd $$module && go vet ./... && $(CURDIR)/bin/staticcheck ./...); done
unit: tools ## tables, goldens, wrong objects, encoders, kernel state, manifests and image
	go test -count=1 ./ruleset/... ./nft/... ./cmd/picket ./cmd/cli ./.ci/mutants
	for folder in deploy e2e/bench e2e/listing; do (cd $$folder && go test -count=1 ./...); done
race: tools ## all that runs goroutines, under the race detector
	go test -count=1 -race -skip '^(TestGoldens|TestWrongObjectsHoldUpNobody|FuzzWholePath)$$' ./controller/... ./cmd/cli
laws: ## compiled programs against the oracle, over many random worlds
	go test -count=1 ./ruleset/policy -run Oracle -worlds=$(WORLDS) -v | grep -v '^=== '
	go test -count=1 ./controller/graph -run 'History|ComeAndGo' -histories=1000
packets: tools ## random worlds, and faults under traffic, on real packets
	go test -count=1 -race -skip RandomWorlds ./cmd/sandbox && go test -count=1 -run RandomWorlds ./cmd/sandbox && cd e2e && go test -count=1 -short ./reliability
api: build ## the agent against a real kube-apiserver (builds one on the first run: minutes)
	@.ci/tools etcd nft
	cd e2e && go run ./cluster build --api-server
	cd e2e && PICKET=$(CURDIR)/bin/picket KUBE_APISERVER=$(CACHE)/cluster/bin/kube-apiserver go test -count=1 ./api

cluster: ## what a real cluster runs, built from the Go module proxy (15 minutes on the first run)
	@.ci/tools containerd runc etcd gcc ip ip6tables nft nsenter /usr/lib/cni/bridge
	cd e2e && go build -o $(CLUSTER) ./cluster && $(CLUSTER) build
cluster-up: cluster ## three nodes with flannel, VARIANT='--flannel=vxlan --kube-proxy=iptables --families=IPv4,IPv6'
	$(CLUSTER) up $(VARIANT)
cluster-down: ## stop it
	$(CLUSTER) down
cluster-shell: ## a shell with kubectl beside it
	$(CLUSTER) exec control bash
e2e: cluster image-$(shell go env GOARCH) ## Picket on a real cluster, from its manifests to its removal
	e2e/run smoke
conformance: cluster image-$(shell go env GOARCH) ## Kubernetes' own NetworkPolicy suite and cyclonus, on every variant (hours)
	e2e/run conformance
reliability: build ## kills, upgrades, tampering, kernel errors under traffic: LEAK = BREAK = 0 (25 minutes; ROWS=restart: one row)
	@.ci/tools nft strace
	cd e2e && go build -o ../bin/reliability ./reliability && ../bin/reliability -source .. -picket ../bin/picket -rows "$(ROWS)" -soak $(SOAK)$(if $(ROWS),, && go test -count=1 -run Broken ./reliability)
soak: ; @$(MAKE) reliability ROWS=soak ## churn for SOAK; in the end nothing has grown
bench: build ## what Picket costs, beside others: e2e/bench/BENCH.md and its charts (half an hour)
	@.ci/tools nft ipset iptables etcd
	cd e2e && go run ./cluster build --api-server && PICKET=$(CURDIR)/bin/picket KUBE_APISERVER=$(CACHE)/cluster/bin/kube-apiserver go run ./bench -out bench -commit $(VERSION)
bench-compare: ## Go benchmarks of OLD=REVISION and of what is here, by turns, through benchstat
	cd e2e && go run ./bench/compare $(OLD)
mutants: tools ## plant faults; every one must be found
	go run ./.ci/mutants
fuzz: ## the fuzz targets, FUZZTIME each
	@.ci/fuzz $(FUZZTIME)
clean: ## what was built here
	rm -rf bin
