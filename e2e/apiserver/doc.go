// Package apiserver runs a real kube-apiserver with its etcd on a node of a sandbox, and ends with
// that. There is no scheduler, controller or kubelet: whoever uses it writes pods as these would.
package apiserver
