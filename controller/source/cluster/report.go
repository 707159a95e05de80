package cluster

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// herald writes Warning Events, one after the other, each until the API server has it.
type herald struct {
	cluster *Cluster
	queue   queue[notice]
}

// notice is what an Event is to be about: a policy, or, with what is wrong, this node.
type notice struct {
	policy policy.Key
	wrong  string
}

func newHerald(c *Cluster) *herald { return &herald{c, newQueue[notice]()} }

// Report has a Warning Event written on a policy. Its name is made from what it says, so that several agents write it
// once between them.
func (c *Cluster) Report(problems []policy.Problem) {
	c.mu.Lock()
	c.wrong[problems[0].Policy] = problems
	c.mu.Unlock()
	c.herald.queue.Add(notice{policy: problems[0].Policy})
}

// Warn has a Warning Event written on this node.
func (c *Cluster) Warn(wrong string) { c.herald.queue.Add(notice{wrong: wrong}) }

func (h *herald) run(ctx context.Context) { work(ctx, h.queue, h.tell) }

// tell sees that people can read what is wrong by now, if anything is.
func (h *herald) tell(ctx context.Context, n notice) error {
	subject, err := "policy "+n.policy.String(), error(nil)
	if n.wrong != "" {
		subject = "node " + h.cluster.Node
		err = h.create(ctx, nodeEvent(n.wrong, h.cluster.Node))
	} else {
		err = h.write(ctx, n.policy)
	}
	if needless(err) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("create events: %w; %s has none", err, subject)
	}
	h.cluster.note("events", err)
	return err
}

func (h *herald) create(ctx context.Context, e *corev1.Event) error {
	_, err := h.cluster.Client.CoreV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
	return err
}

// wrongPolicy is a policy with problems.
type wrongPolicy struct {
	policy.Key
	identity
	problems []policy.Problem
}

// identity tells a policy from others that had its name.
type identity struct {
	uid      types.UID
	revision string
}

// write looks at the policy as it is by now.
func (h *herald) write(ctx context.Context, key policy.Key) error {
	h.cluster.mu.Lock()
	wrong := wrongPolicy{key, h.cluster.ids[key], h.cluster.wrong[key]}
	h.cluster.mu.Unlock()
	if len(wrong.problems) == 0 {
		return nil
	}
	return h.create(ctx, problemEvent(wrong, h.cluster.Node))
}

// needless reports whether an Event that was refused is not missing: another agent has written it, or its
// namespace ends or is gone.
func needless(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// maxMessage is the limit of Event.message.
const maxMessage = 1024

func problemEvent(np wrongPolicy, node string) *corev1.Event {
	lines := make([]string, len(np.problems))
	for i, p := range np.problems {
		lines[i] = p.Error.Error()
	}
	message := strings.Join(lines, "; ")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "..."
	}
	return warning(metav1.ObjectMeta{Namespace: np.Namespace, Name: eventName(np, message)}, corev1.ObjectReference{
		APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy",
		Namespace: np.Namespace, Name: np.Name, UID: np.uid, ResourceVersion: np.revision,
	}, "InvalidPolicy", message, node)
}

// nodeEvent is in the namespace in which kubectl looks for those of objects without one.
func nodeEvent(message, node string) *corev1.Event {
	meta := metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: node + "." + ruleset.Digest(message)}
	about := corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node, UID: types.UID(node)}
	return warning(meta, about, "NotEnforced", message, node)
}

func warning(meta metav1.ObjectMeta, about corev1.ObjectReference, reason, message, node string) *corev1.Event {
	now := metav1.Now()
	return &corev1.Event{
		ObjectMeta: meta, InvolvedObject: about, Type: corev1.EventTypeWarning, Reason: reason, Message: message,
		Source: corev1.EventSource{Component: "picket", Host: node}, ReportingController: "picket", ReportingInstance: node,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
}

// eventName is valid for any policy: at most 253 characters, and never the same for two messages.
func eventName(np wrongPolicy, message string) string {
	name := np.Name
	if len(name) > 200 {
		name = strings.TrimRight(name[:200], "-.")
	}
	return name + "." + ruleset.Digest(string(np.uid)+message)
}
