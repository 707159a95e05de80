package main

// smoke are ten of Kubernetes' specs that together touch everything: both directions, every kind of
// peer, ports by number and name, both protocols, changes of policies, pods and namespaces.
var smoke = []string{
	between + "should support a 'default-deny-ingress' policy" + feature,
	between + "should support a 'default-deny-all' policy" + feature,
	between + "should enforce policy to allow traffic only from a different namespace, based on " +
		"NamespaceSelector" + feature,
	between + "should enforce policy based on PodSelector with MatchExpressions" + feature,
	between + "should enforce policy based on Ports" + feature,
	between + "should allow egress access on one named port" + feature,
	between + "should enforce updated policy" + feature,
	between + "should allow ingress access from updated pod" + feature,
	between + "should enforce except clause while egress access to server in CIDR block" + feature,
	"[sig-network] Netpol [LinuxOnly] NetworkPolicy between server and client using UDP should " +
		"enforce policy based on Ports" + feature,
}

// What the names of the specs begin and end with.
const (
	between = "[sig-network] Netpol NetworkPolicy between server and client "
	feature = " [Feature:NetworkPolicy]"
)
