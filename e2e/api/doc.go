// Package api tests Picket as a black box: the binary against a real API server, on real packets,
// with pods that are network namespaces. There is no kubelet here; the folder cluster has some.
//
//	       testCluster (of each test)                      server (of all tests)
//	┌──────────────────────────────────┐              ┌──────────────────────────┐
//	│ node                             │              │ control plane            │
//	│  pods   agent ──► proxy :6443 ───┼─ the test's ─┼─► kube-apiserver ► etcd  │
//	│                   faults         │   process    │      │ audit log         │
//	└──────────────────────────────────┘              └──────┼───────────────────┘
//	                                                         ▼ what the agents asked for
//
// The proxy ends TLS and speaks HTTP/2 on both sides, so that a fault can change connections,
// packets, answers, or the single events of a watch, in whatever encoding the agents ask for.
// Faults are rows of a table (faults_test.go); each counts what it has done, and one that has done
// nothing fails.
//
// The agents have the service account and the role of deploy/base. Test clusters share no node,
// namespace or address, so their tests may run at once.
//
// The variables PICKET and KUBE_APISERVER are the paths of the two programs; etcd is beside the
// latter, nft comes from PATH.
package api
