#!/usr/bin/env bash
# What others' suites say of SCTP, on a cluster of two nodes in a virtual machine. Before it, outside:
# make cluster image-amd64, and in e2e CGO_ENABLED=0 go build -o ../bin/kernels ./cluster ./conformance.
set -euo pipefail
bin=$PWD/bin/kernels built=$HOME/.cache/picket/cluster
modprobe -a br_netfilter nft_ct nft_fib_inet nft_log nft_limit nft_reject_inet nft_meta_bridge \
	nft_reject_bridge nf_conntrack_netlink nfnetlink_log nft_compat veth bridge overlay sctp
# What a cluster writes is on no overlay, which another overlay could not be mounted on.
mkdir -p /run/cluster
mount -t tmpfs -o size=5g tmpfs /run/cluster
mkdir /run/cluster/cluster
ln -s "$built"/{bin,containerd,cni,images,built} /run/cluster/cluster/
export CACHE=/run/cluster
"$bin/cluster" up --nodes 2
"$bin/cluster" load bin/image-amd64.tar
echo "$SECONDS s: the image is loaded"
"$bin/cluster" exec control kubectl apply -f deploy/picket.yaml
"$bin/cluster" exec control kubectl rollout status -n kube-system daemonset/picket --timeout=20m
echo "$SECONDS s: the policies are enforced"
"$bin/cluster" exec control "$bin/conformance" -sctp -jobs 1 -netpol "$built/bin/netpol.test" \
	-cyclonus "$built/bin/cyclonus"
echo "$SECONDS s: all"
