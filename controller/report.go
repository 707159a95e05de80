package controller

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// herald writes Warning Events on policies, one after the other, each until the API server has it.
type herald struct {
	cluster *Cluster
	queue   queue[policy.Key]
}

func newHerald(c *Cluster) *herald { return &herald{c, newQueue[policy.Key]()} }

// Report has a Warning Event written on a policy. Its name is made from what it says, so that all agents of a
// cluster write it once between them.
func (c *Cluster) Report(problems []policy.Problem) { c.herald.queue.Add(problems[0].Policy) }

func (h *herald) run(ctx context.Context) { work(ctx, h.queue, h.tell) }

// tell sees that people can read what is wrong with a policy by now, if anything.
func (h *herald) tell(ctx context.Context, key policy.Key) error {
	err := h.write(ctx, key)
	if needless(err) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("create events: %w; policy %s has none", err, key)
	}
	h.cluster.note("events", err)
	return err
}

func (h *herald) write(ctx context.Context, key policy.Key) error {
	object, exists, err := h.cluster.informer["networkpolicies"].GetStore().GetByKey(key.String())
	if err != nil || !exists {
		return err
	}
	np := object.(*networkingv1.NetworkPolicy)
	problems := policy.Parse(np).Problems
	if len(problems) == 0 {
		return nil
	}
	_, err = h.cluster.Client.CoreV1().Events(key.Namespace).Create(ctx, problemEvent(np, problems, h.cluster.Node), metav1.CreateOptions{})
	return err
}

// needless reports whether an Event that was refused is not missing: another agent has written it, or its
// namespace ends or is gone.
func needless(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// maxMessage is the limit of Event.message.
const maxMessage = 1024

func problemEvent(np *networkingv1.NetworkPolicy, problems []policy.Problem, node string) *corev1.Event {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.Error.Error()
	}
	message := strings.Join(lines, "; ")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "..."
	}
	now := metav1.Now()
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: np.Namespace, Name: eventName(np, message)},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy",
			Namespace: np.Namespace, Name: np.Name, UID: np.UID, ResourceVersion: np.ResourceVersion,
		},
		Type: corev1.EventTypeWarning, Reason: "InvalidPolicy", Message: message,
		Source: corev1.EventSource{Component: "picket", Host: node}, ReportingController: "picket", ReportingInstance: node,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
}

// eventName is valid for any policy: at most 253 characters, and never the same for two messages.
func eventName(np *networkingv1.NetworkPolicy, message string) string {
	name := np.Name
	if len(name) > 200 {
		name = strings.TrimRight(name[:200], "-.")
	}
	return name + "." + ruleset.Digest(string(np.UID)+message)
}
