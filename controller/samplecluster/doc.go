// Package samplecluster makes clusters of any size that resemble real ones, always the same cluster
// for the same seed. Its tests are the benchmarks of the graph, the compiler, the controller and
// the nftables backend over such clusters (go test -bench . ./controller/samplecluster); e2e/bench
// reads their output and measures the agent's binary with the same clusters.
//
// Nobody publishes the labels and policies of production clusters, so what is drawn here follows
// what the field tests with, recommends and does by default:
//
//	applications  half of the pods in applications of about 5, a quarter each of about 30 and 250; a
//	              size is uniform between half of that and one and a half: the load test that
//	              Kubernetes' releases must pass
//	              (kubernetes/perf-tests, clusterloader2/testing/load/config.yaml)
//	nodes         30 pods each, as there; but LocalNode has as many as one asks for, of any
//	              application, as a scheduler spreads them
//	namespaces    one for 100 pods, and more for some than for others by Zipf's law; at most 3,000
//	              pods each (kubernetes/community, sig-scalability/configs-and-limits/thresholds.md,
//	              which also says how far a cluster can grow: 150,000 pods and 10,000 namespaces)
//	DNS           a pod for 16 nodes, two at least (the default of cluster-proportional-autoscaler's
//	              dns-autoscaler)
//	labels        those that kubernetes.io recommends (Recommended Labels) beside the older app, and
//	              pod-template-hash, which every Deployment gives its pods: five labels of few values
//	              and one of many
//	policies      three for each namespace (deny all, allow DNS, allow monitoring), then those of
//	              applications, each by one of the recipes of kubernetes.io (Network Policies) and
//	              ahmetb/kubernetes-network-policy-recipes; how often each one occurs is a guess, see
//	              recipes
package samplecluster
