package agents

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// troubleOf says why a pod cannot be asked; empty: nothing speaks against it.
func troubleOf(pod *corev1.Pod) string {
	name := agentContainer(pod).Name
	// Only the agent's own container counts: others may wait for whatever they like.
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.Name != name:
		case c.State.Waiting != nil:
			return fmt.Sprintf("waits: %s %s (%d restarts)", c.State.Waiting.Reason,
				c.State.Waiting.Message, c.RestartCount)
		case c.State.Terminated != nil:
			return fmt.Sprintf("has ended: %s, exit code %d (%d restarts)", c.State.Terminated.Reason,
				c.State.Terminated.ExitCode, c.RestartCount)
		}
	}
	// Before the kubelet has said anything of containers there is the phase alone.
	if pod.Status.Phase != corev1.PodRunning {
		return "is " + string(pod.Status.Phase)
	}
	return ""
}
