// Command cluster starts a real Kubernetes cluster on one machine, without a container engine and
// without a virtual machine: etcd, API server, controller manager, scheduler, and nodes with
// containerd, runc, kubelet, kube-proxy and flannel. Their versions are in versions.env.
//
//	           network namespace picket-switch: bridge br0, 10.77.0.1, fd77::1
//	              │                    │                 │                 │
//	picket-control, 10.77.0.10     picket-n1, .11    picket-n2, .12    picket-n3, .13
//	etcd, kube-apiserver,          node: mount, pid, uts and cgroup namespaces of its own;
//	controller manager, scheduler  its first process starts containerd, kubelet, kube-proxy, flanneld
//
// Programs and images are built once into $CACHE/cluster. A cluster that runs keeps its state in
// $CACHE/cluster/run, with the process ids by which it is stopped; the logs of a start that failed
// are kept in $CACHE/cluster/failed. The machine itself is not changed: a node sees plain files in
// place of the sysctls that a kubelet sets.
package main
