#!/bin/sh
# What render prints is loaded by the nft program of the release that the kernel is of.
set -eu
rules=$(mktemp)
trap 'rm -f "$rules"' EXIT
for deny in drop reject; do
	bin/picket render -f deploy/demo --node-name node-1 --deny $deny --kernel "$(uname -r)" \
		>"$rules" 2>/dev/null
	"${NFT:-nft}" -f "$rules"
	"${NFT:-nft}" list table inet picket | grep -q 'chain forward'
done
"${NFT:-nft}" --version
