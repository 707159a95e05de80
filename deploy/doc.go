// Package deploy is what installs Picket in a cluster, and what makes it:
//
//	base/ ◄── overlays/flannel ──► picket.yaml      rendered:  go run ./render
//	  ▲  ◄── overlays/k3s                           kubectl apply -k
//	  │  ◄── overlays/iptables                      for kernels without nf_tables
//	  │  ◄── overlays/node-address ◄── overlays/monitoring ◄── alerts/picket.yaml by ./render
//	  │
//	  ├──► chart/files                              the Helm chart's copies, by ./render; ./helm renders and packs it
//	  │
//	  └ kustomization.yaml names the image ──► cleanup.yaml      the Job that removes the rules, stamped by ./render
//	                                       └─► picket-ARCH.tar   the image:  go run ./image
//	./release                                      the rest of a release:  make release
//
// It is a module of its own, so that none of its libraries become the product's. What the manifests
// promise (no privilege but NET_ADMIN, no right but those that the agent uses) is written down a
// second time in the tests.
package deploy
