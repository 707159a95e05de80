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

// eventWriter writes Warning Events (objects of the API) about policies and about the node, one
// after the other, each until the API server has it.
type eventWriter struct {
	source *Source
	queue  queue[eventSubject]
	// failing are those of the queue that could not be written when they were tried last, and told is
	// the one whose error is the complaint.
	failing map[eventSubject]bool
	told    eventSubject
}

// eventSubject is what an Event is about: a policy, whose problems are looked up when it is
// written, or the node, with the text of the problem.
type eventSubject struct {
	policy      policy.Key
	nodeProblem string
}

// newEventWriter returns a writer for a source, which writes once run is called.
func newEventWriter(s *Source) *eventWriter {
	return &eventWriter{source: s, queue: newQueue[eventSubject](), failing: map[eventSubject]bool{}}
}

// Report writes a Warning Event about a policy, whose problems must not be empty. The name of the
// Event comes from its text, so that several agents write it once between them.
func (s *Source) Report(problems []policy.Problem) {
	key := problems[0].Policy
	s.mu.Lock()
	defer s.mu.Unlock()
	// One that was deleted meanwhile needs no Event, and nothing would forget its problems again.
	if _, exists := s.revisions[key]; !exists {
		return
	}
	s.problems[key] = problems
	s.events.queue.Add(eventSubject{policy: key})
}

// Warn writes a Warning Event about this node.
func (s *Source) Warn(problem string) { s.events.queue.Add(eventSubject{nodeProblem: problem}) }

// run writes Events until ctx ends.
func (w *eventWriter) run(ctx context.Context) { process(ctx, w.queue, w.write) }

// write writes one Event. What keeps it from that for long is a complaint.
func (w *eventWriter) write(ctx context.Context, about eventSubject) error {
	subject, event := "policy "+about.policy.String(), w.policyEvent(about.policy)
	if about.nodeProblem != "" {
		subject, event = "node "+w.source.Node, w.nodeEvent(about.nodeProblem)
	}
	err := w.create(ctx, event)
	if err != nil {
		err = fmt.Errorf("create events: %w; %s has none", err, subject)
	}
	w.recordResult(about, err)
	return err
}

// recordResult records how an attempt to write went. That others can be written, perhaps in another
// namespace, does not end an outage, nor does it change the complaint.
func (w *eventWriter) recordResult(about eventSubject, err error) {
	if delete(w.failing, about); err != nil {
		w.failing[about] = true
	}
	switch {
	case len(w.failing) == 0:
		w.source.recordResult("events", nil)
	case err != nil && (about == w.told || !w.failing[w.told]):
		w.told = about
		w.source.recordResult("events", err)
	}
}

// create creates an Event unless that is needless: there is none to write (nil), another agent has
// written it, or its namespace terminates or is gone.
func (w *eventWriter) create(ctx context.Context, e *corev1.Event) error {
	if e == nil {
		return nil
	}
	_, err := w.source.Client.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) ||
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// policyEvent returns an Event about the problems that a policy, or a namespace, has by now, nil if
// it has none.
func (w *eventWriter) policyEvent(key policy.Key) *corev1.Event {
	w.source.mu.Lock()
	revision, problems := w.source.revisions[key], w.source.problems[key]
	w.source.mu.Unlock()
	if len(problems) == 0 {
		return nil
	}
	text := problemText(problems)
	meta := metav1.ObjectMeta{
		Namespace: key.Namespace, Name: eventName(key.Name, string(revision.uid)+text),
	}
	about := corev1.ObjectReference{
		APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy",
		Namespace: key.Namespace, Name: key.Name,
		UID: revision.uid, ResourceVersion: revision.version,
	}
	reason := "InvalidPolicy"
	// An API server wants Events about what is in no namespace there.
	if key.Namespace == "" {
		meta.Namespace, reason = metav1.NamespaceDefault, "InvalidNamespace"
		about.APIVersion, about.Kind = corev1.SchemeGroupVersion.String(), "Namespace"
	}
	return w.newWarning(meta, reason, text, about)
}

// nodeEvent returns an Event about this node, in the namespace in which kubectl looks for those of
// objects that have no namespace.
func (w *eventWriter) nodeEvent(text string) *corev1.Event {
	node := w.source.Node
	meta := metav1.ObjectMeta{
		Namespace: metav1.NamespaceDefault, Name: node + "." + ruleset.Digest(text),
	}
	return w.newWarning(meta, "NotEnforced", text, corev1.ObjectReference{
		APIVersion: "v1", Kind: "Node", Name: node, UID: types.UID(node),
	})
}

// newWarning returns an Event of this node's agent.
func (w *eventWriter) newWarning(
	meta metav1.ObjectMeta, reason, text string, about corev1.ObjectReference,
) *corev1.Event {
	now, node := metav1.Now(), w.source.Node
	return &corev1.Event{
		ObjectMeta: meta, InvolvedObject: about,
		Type: corev1.EventTypeWarning, Reason: reason, Message: text,
		Source:              corev1.EventSource{Component: "picket", Host: node},
		ReportingController: "picket", ReportingInstance: node,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
}

// maxMessage is the limit of an API server for the message of an Event, in bytes.
const maxMessage = 1024

// problemText lists problems in one line, which may be cut off.
func problemText(problems []policy.Problem) string {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Error.Error()
	}
	return shortened(strings.Join(texts, "; "))
}

// shortened is as much of a text as an Event takes.
func shortened(text string) string {
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage-3], "") + "..."
	}
	return text
}

// eventName returns a name that is valid for any policy, at most 253 characters, and that differs
// with the identity of the Event.
func eventName(policy, identity string) string {
	if len(policy) > 200 {
		policy = strings.TrimRight(policy[:200], "-.")
	}
	return policy + "." + ruleset.Digest(identity)
}
