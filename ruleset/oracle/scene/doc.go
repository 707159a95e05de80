// Package scene reads scenes: a small cluster, some policies, and which flows are allowed, as text
// that all layers are tested with.
//
//	                         ┌─ oracle: World.Allowed
//	testdata/*.txtar ─ scene ┼─ ruleset/compile: Program.Decide, of every node
//	                         └─ cmd/sandbox: packets between network namespaces
//
// A file is about one topic. It is a txtar archive: a paragraph of # lines that says what the file
// shows, then the scenes. A scene is its name between "-- " and " --", and statements, one a line:
//
//	-- spec.podSelector.matchLabels: those pods only --
//	policy a/p {podSelector: {matchLabels: {app: web}}}
//	deny-ingress b/lone > a/web TCP 80
//	allow b/lone > a/api TCP 80
//
// It happens in the cluster of testdata/cluster.txt, in whose empty lines and # lines nothing is
// stated, as everywhere. A section called "cluster" holds statements that come before those of each
// scene behind it in the file.
//
// # Objects
//
// An object replaces the one of that name. Indented lines continue a statement.
//
//	node n1 10.77.0.11 10.244.1.0/24        addresses, and ranges of pods
//	namespace a team=blue                   labels
//	pod a/web n1 app=web web:80/TCP         node, labels, named ports, addresses
//	pod a/agent n1 app=agent host           on its node's network
//	policy a/p {podSelector: {}}            the spec as YAML, here or in indented lines
//	patch pod a/web {status: {phase: Failed}}   changes fields (a JSON merge patch as YAML)
//	delete namespace ab
//
// A pod without addresses gets one of each family in the range of its node. "-" is no node.
//
// # Flows
//
// A flow is "VERDICT FROM > TO PROTOCOL PORT". Verdicts are allow, deny-egress, deny-ingress and
// deny-both, which name the halves that deny. The protocol is TCP, UDP, SCTP, or PING, which stands
// for all without ports and has none. An end is a pod, a node, out (a host outside, 8.8.8.8 and
// 2001:db8::1) or an address. A flow is two if both ends have addresses of both families; @4 or @6
// behind the last end means one of them. "by a/p ingress[0]" behind an allowed flow says which
// parts of policies allow it, and "by audited" that audited ones would deny it.
//
// # What else can be said
//
//	each PEER           the scene is played once for each indented line, which $PEER stands for
//	then a pod moves    what follows changes the cluster as it is now
//	problem TEXT        what the compiler has to say of the policies, all of it, one at a time
//	no packets: REASON  why this scene is not played with packets
//	no oracle: REASON   why the oracle is not asked
package scene
