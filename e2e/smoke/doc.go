// Package smoke tests Picket on a real cluster, as its users meet it: installed by the shipped
// manifests and image, policies by kubectl apply, probes by kubectl exec. It runs on the cluster's
// control host, with the folder of the project in PICKET_ROOT: make e2e.
package smoke
