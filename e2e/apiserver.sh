#!/usr/bin/env bash
# Puts a kube-apiserver of the version below into $CACHE/bin, built from the Go module proxy alone, and sees
# that etcd is there. Ten minutes on two cores the first time, nothing afterwards.
set -euo pipefail
version=1.34.4
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/picket}
"$(dirname "$0")/../.ci/tools" etcd
[ -x "$cache/bin/kube-apiserver-$version" ] && exit 0

# The main module of Kubernetes points at sibling folders for its libraries (k8s.io/api => ./staging/...). Those
# are published as modules of their own, so a module that replaces each by its published version builds the same.
source=$cache/src/kubernetes-$version
mkdir -p "$source" "$cache/bin"
kubernetes=$(cd / && GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
library=v0.${version#1.}
{
	echo "module build"
	sed -e '/^module /d' \
		-e "s# v0\.0\.0\$# $library#" \
		-e "s#=> ./staging/src/\(.*\)\$#=> \1 $library#" "$kubernetes/go.mod"
	echo "require k8s.io/kubernetes v$version"
} >"$source/go.mod"
cp "$kubernetes/go.sum" "$source/go.sum" && chmod u+w "$source/go.sum"
echo "building kube-apiserver $version into $cache/bin; this takes minutes" >&2
cd "$source"
stamp=k8s.io/component-base/version # which the server derives its feature set from
CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=mod' go build -trimpath \
	-ldflags "-s -w -X $stamp.gitVersion=v$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=34" \
	-o "$cache/bin/kube-apiserver-$version" k8s.io/kubernetes/cmd/kube-apiserver
