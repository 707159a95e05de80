// Package agents finds the agents of a cluster, and reaches each by running its own binary in its
// pod, as kubectl exec does: there is no port to open, and the rights are those of the user.
//
//	verb ─► Fleet ─► pods/exec ─► picket relay, in the agent's pod ─► agent.Socket ─► agent
//
// What a pod says is believed as far as the pods of its namespace are: nobody but whom the cluster
// trusts with its system writes to kube-system.
package agents
