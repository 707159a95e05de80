// Package samplecluster makes clusters of any size that are like real ones, always the same one for the same seed.
//
// Nobody publishes the labels and policies of production clusters, so what is drawn here follows what the field
// itself tests with, recommends and does by itself:
//
//	applications  half of the pods in applications of about 5, a quarter each of about 30 and 250; a size is uniform
//	              between half of that and one and a half: the load test that Kubernetes' releases must pass
//	              (kubernetes/perf-tests, clusterloader2/testing/load/config.yaml)
//	nodes         30 pods each, as there; but the node that is looked at has as many as one asks for, of any application,
//	              as a scheduler spreads them
//	namespaces    one for 100 pods, and more for some than for others by Zipf's law; at most 3,000 pods each
//	              (kubernetes/community, sig-scalability/configs-and-limits/thresholds.md, which also says how far a
//	              cluster can grow: 150,000 pods and 10,000 namespaces)
//	DNS           a pod for 16 nodes, two at least (the default of cluster-proportional-autoscaler's dns-autoscaler)
//	labels        those that kubernetes.io recommends (Recommended Labels) beside the older app, and pod-template-hash,
//	              which every Deployment gives its pods: five labels of few values and one of many
//	policies      three for each namespace (deny all, allow DNS, let it be scraped), then those of applications, each by
//	              one of the recipes of kubernetes.io (Network Policies) and ahmetb/kubernetes-network-policy-recipes;
//	              how often each one occurs is a guess, see recipes
//
//	Size, seed ──New──► World ──Events──► what a source says once at its start
package samplecluster
