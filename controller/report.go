package controller

import (
	"context"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Report writes a Warning Event on a policy. Its name is made from what it says, so that all agents of a
// cluster write it once between them.
func (c *Cluster) Report(problems []policy.Problem) {
	key := problems[0].Policy
	object, exists, err := c.informer["networkpolicies"].GetStore().GetByKey(key.String())
	if err != nil || !exists {
		return
	}
	event := problemEvent(object.(*networkingv1.NetworkPolicy), problems, c.Node)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := c.Client.CoreV1().Events(key.Namespace).Create(ctx, event, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			slog.Warn("an Event could not be written", "policy", key.String(), "error", err)
		}
	}()
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
