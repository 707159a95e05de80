package main

// smoke are ten of Kubernetes' specs that together touch everything: both directions, every kind of peer, ports by
// number and name, both protocols, changes of policies, pods and namespaces.
var smoke = []string{}
