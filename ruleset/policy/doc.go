// Package policy reads the Kubernetes API: it turns objects into small values, and says
// what they mean. Package compile makes the program of a node from these values.
//
//	*corev1.Pod, Namespace, Node ──New…──► Pod, Namespace, Node
//	*networkingv1.NetworkPolicy  ──Parse─► Policy: Selectors, ranges, ports + Problems
//
// Wrong input never allows anything. A part that cannot be understood (a bad CIDR, an
// endPort below its port, an unknown protocol) matches nothing. The rest of the policy
// works, the pods that it selects stay isolated, other policies are not touched, and a
// Problem says which field is wrong.
//
// # Words
//
// A policy isolates the pods that it selects, in a direction: the subjects. Its rules
// allow peers. A pod that no policy isolates in a direction may do there what it likes.
// A connection between two pods must be allowed twice: as egress of the one, and as
// ingress of the other.
//
// # What a policy means
//
// It means what the Kubernetes documentation says. Where that leaves a choice, it means
// the following; README.md says more, for people who write policies.
//
//   - An ipBlock matches pods, by the address in the packet as the forward hook sees
//     it: after a Service was translated to a pod, before masquerading. An except takes
//     away from its own cidr only. See [Rule] and [Union].
//   - A pod with hostNetwork has its node's address. It is never a subject, and never a
//     peer by a selector; an ipBlock matches it. See [NewPod].
//   - A pod and its own node reach each other always, every process of the node. A pod
//     always reaches itself, also through a Service.
//   - A client of a NodePort has the address that the forward hook sees: its own at the
//     pod's node, and where it comes through another node the address of that node.
//   - A selector that selects nobody, or a port name that no pod has, matches nothing.
//     It never widens a rule.
//   - A port name on ingress means the port of the subject, see [Rule.PortsOn]. On
//     egress it means the port of each peer pod; without a to, of every pod, see
//     [Rule.PeerPods]. An ipBlock has no names.
//   - A rule without ports allows every protocol, ICMP too. A rule with ports allows
//     only those.
//   - Where several pods claim one address, the peer is the one that started last, of
//     the nodes whose pod range contains it; see [Pod.Outranks] and
//     [PodRanges.CanBeOf]. Subjects are all of them that are on the node, see
//     [StandIn]. A finished pod has no address. A node's address is no pod's.
//   - What a node itself sends with flannel's vxlan comes from the first address of its
//     pod range. An ipBlock that contains the node's address contains that one, too,
//     unless a pod has it. See [NodeAlias].
//   - A namespace without an object matches no namespaceSelector but by its name, see
//     [ImpliedNamespace].
//   - A policy that is audited isolates nobody and allows nothing: it is not in force. A
//     packet that is allowed in a direction, and would not be if all audited policies were
//     enforced, is let through, counted and logged. Since policies add up, that is so only
//     where no enforced policy isolates the pod: what these allow would be allowed still,
//     and what they deny stays denied. See [Deciding].
//   - While a namespace terminates, its policies go on isolating its pods after they
//     are deleted, until the pods are gone (CVE-2024-7598). Package graph sees to that.
//   - IPv6 link-local addresses belong to no pod.
package policy
