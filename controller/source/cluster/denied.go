package cluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// notePods has a store note the identities of this node's pods: an Event without that of its object
// is not shown with the object.
func (s *Source) notePods(store *store) {
	changed, gone := store.changed, store.gone
	store.changed = func(o *object) {
		// Other nodes' agents write about their pods.
		if set, is := o.event.(graph.PodSet); is && set.Pod.Node == s.Node {
			s.mu.Lock()
			if s.pods == nil {
				s.pods = map[policy.Key]types.UID{}
			}
			s.pods[o.key] = o.revision.uid
			s.mu.Unlock()
		}
		changed(o)
	}
	store.gone = func(key policy.Key) {
		s.mu.Lock()
		delete(s.pods, key)
		s.mu.Unlock()
		gone(key)
	}
}

// ReportDenied writes a Warning Event on a pod of this node, which says what was denied; none on a
// pod that is not there. It is not tried again: another denied packet is another reason for one.
func (s *Source) ReportDenied(ctx context.Context, pod policy.Key, text string) error {
	s.mu.Lock()
	uid, known := s.pods[pod]
	s.mu.Unlock()
	if !known {
		return nil
	}
	// The time is in the name, so that no Event is taken for an earlier one.
	meta := metav1.ObjectMeta{Namespace: pod.Namespace,
		Name: eventName(pod.Name, text+metav1.Now().String())}
	return s.events.create(ctx, s.events.newWarning(meta, "PacketsDenied", shortened(text),
		corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace,
			Name: pod.Name, UID: uid}))
}
