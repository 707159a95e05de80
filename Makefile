# Picket. Everything that a target needs, it installs, builds or names itself: `make help`.
# Longer recipes are scripts in .ci, which use the variables that are exported here.
SHELL    := bash
.SHELLFLAGS := -eu -o pipefail -c
CACHE    ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/picket
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
WORLDS   ?= 20000
FUZZTIME ?= 30s
SOAK     ?= 10m
ROWS     ?=
KERNELS  ?=
CHECKS   ?=
KERNEL   ?= 6.1
RUN      ?= uname -a
BACKEND  ?= nftables
VARIANT  ?= --flannel=host-gw --kube-proxy=nftables --families=IPv4
CLUSTER  := $(CACHE)/cluster/bin/cluster
DEBIAN   := $(if $(findstring debian,$(VARIANT)),containerd runc /usr/lib/cni/bridge)
IMAGE     = image-$(if $(filter iptables,$(BACKEND)),iptables-)$(shell go env GOARCH)
SERVER   := $(wildcard $(CACHE)/cluster/bin/kube-apiserver)
export GOFLAGS := -buildvcs=false
export SHOTS CACHE CLUSTER VARIANT VERSION BACKEND WORLDS ROWS SOAK KERNELS CHECKS KERNEL RUN

.DEFAULT_GOAL := help
.PHONY: help build image manifests demo test tools lint unit race laws packets packets-iptables api page mutants
.PHONY: fuzz cluster cluster-up cluster-down cluster-shell e2e conformance reliability soak clean
.PHONY: bench bench-compare kernels kernel release reproduce publish sign announce vulncheck
help: ## say what there is
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
build: ## bin/picket, one static binary
	.ci/compile bin/picket
image: image-amd64 image-arm64 ## bin/image-ARCH.tar, for ctr, k3s ctr or docker load
image-%:
	GOARCH=$* .ci/compile bin/agent-$* cmd/agent
	cd deploy && go run ./image -binary ../bin/agent-$* -arch $* -o ../bin/$@.tar
image-iptables: image-iptables-amd64 image-iptables-arm64 ## the same for kernels without nf_tables
image-iptables-%:
	@.ci/tools dpkg-deb
	.ci/image-iptables bin/$@.tar $*
manifests: ## deploy/picket.yaml from deploy/base
	cd deploy && go run ./render
demo: build ## the three policies everyone starts with, on real packets
	bin/picket sandbox run -f deploy/demo

test: tools lint unit race laws packets $(SERVER:%=api) ## all without a cluster (half an hour)
tools: ## install nft, which tests compare with, and strace, which makes system calls fail
	@.ci/tools nft strace ipset iptables-legacy
lint: ## gofmt, vet, staticcheck
	@.ci/suite lint
unit: tools ## tables, goldens, wrong objects, encoders, kernel state, manifests, image
	.ci/suite unit
race: tools ## all that runs goroutines, under the race detector
	.ci/suite race
laws: ## compiled programs against the oracle, over WORLDS random clusters
	.ci/suite laws
packets: tools ## random worlds, and faults under traffic, on real packets
	.ci/suite packets
packets-iptables: tools ## all tests of packets with iptables and ipset in place of nftables
	.ci/suite packets_iptables
api: build ## the agent against a real kube-apiserver (builds one on the first run: minutes)
	@.ci/tools nft
	.ci/suite api

page: ## the page of `picket report` in a real browser; SHOTS=FOLDER keeps pictures
	@.ci/tools chromium /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
	.ci/suite page

cluster: ## build what a real cluster runs, from the Go module proxy (15 minutes at first)
	@.ci/tools gcc /usr/include/seccomp.h ip ip6tables nft nsenter $(DEBIAN)
	cd e2e && go build -o $(CLUSTER) ./cluster && $(CLUSTER) build
cluster-up: cluster ## three nodes with flannel; VARIANT says how: e2e/README.md
	$(CLUSTER) up $(VARIANT)
cluster-down: ## stop it
	$(CLUSTER) down
cluster-shell: ## a shell with kubectl beside it
	$(CLUSTER) exec control bash
e2e: cluster build $(IMAGE) ## Picket on a real cluster; RELEASE=bin/release/out: what a release holds
	e2e/run smoke
conformance: cluster $(IMAGE) ## Kubernetes' NetworkPolicy suite and cyclonus, every variant (hours)
	e2e/run conformance
reliability: build ## faults under traffic, LEAK = BREAK = 0 (40 minutes); ROWS=restart: one row
	@.ci/tools nft strace ipset iptables-legacy
	.ci/suite reliability
soak: ; @$(MAKE) reliability ROWS=soak ## churn for SOAK; in the end nothing has grown
bench: build ## measure what Picket costs, beside others: e2e/bench/BENCH.md (half an hour)
	@.ci/tools nft ipset iptables
	.ci/suite bench
bench-compare: ## Go benchmarks of OLD=REVISION and of what is here, by turns, through benchstat
	cd e2e && go run ./bench/compare $(OLD)
kernels: build ## boot other kernels and run the checks of e2e/KERNELS.md there (hours without KVM)
	.ci/suite kernels
kernel: build ## one command under another kernel: make kernel KERNEL=6.1 RUN='bin/picket version'
	@.ci/suite kernel
mutants: tools ## plant faults; every one must be found
	go run ./.ci/mutants $(MUTANTS)
fuzz: ## the fuzz targets, FUZZTIME each
	@.ci/fuzz $(FUZZTIME)
release: ## bin/release/out: programs, image, chart, manifests, SBOMs, man pages, digests (minutes)
	.ci/release bin/release
reproduce: ## the same again from a fresh clone; every digest must be equal
	.ci/reproduce
publish: ## what make release made of a tag; .github/workflows/release.yml does it
	.ci/publish
sign: ; .ci/publish sign
announce: ; .ci/publish announce
vulncheck: ## known vulnerabilities in what the programs call, where the database can be reached
	.ci/vulncheck
clean: ## what was built here
	rm -rf bin
