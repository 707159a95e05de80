package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPolicies(t *testing.T) {
	w := newShopCluster(t)
	w.reaches("near", "far")
	w.apply(denyAll)
	w.reaches()
	w.apply(allow("near"))
	w.reaches("near")
	w.label("far", "near")
	w.reaches("near", "far")
	w.label("near", "other")
	w.reaches("far")
}

func TestServerRestarts(t *testing.T) {
	w := newShopCluster(t)
	w.apply(denyAll)
	w.apply(allow("near"))
	w.reaches("near")
	forbidden := w.stream("far", "web")
	w.StopAPI()
	w.reaches("near")
	w.must(nil, w.StartAPI())
	w.must(nil, w.Ready())
	w.label("near", "other")
	w.reaches()
	w.endForbidden(forbidden)
}

// Policies deleted from a terminating namespace isolate until its pods are gone (CVE-2024-7598),
// also where an agent learns of the policies first: here it never learns of the namespace unless it
// asks.
func TestNamespaceTerminates(t *testing.T) {
	w := newTestCluster(t, 2)
	account := w.shipped.as("picket-terminates", w.shipped.rights())
	w.must(nil, account.install(w.Admin))
	w.addShop(account)
	w.apply(denyAll)
	w.apply(allow("near"))
	w.apply(badPolicy)
	w.reaches("near")
	for _, a := range w.agents {
		a.waitState(true, badPart)
	}
	w.revoke(account, right{"list", "", "namespaces"}, right{"watch", "", "namespaces"})
	w.must(nil, w.Admin.CoreV1().Namespaces().Delete(context.Background(), w.namespace,
		metav1.DeleteOptions{}))
	w.deletePolicies("allow-near", "deny", "bad")
	for _, a := range w.agents {
		w.waitWithout(a, "policy "+w.namespace+"/bad") // it has heard of the last deletion
	}
	w.label("far", "other")
	w.reaches("near")
}

func TestABadPartIsReportedOnce(t *testing.T) {
	w := newShopCluster(t)
	w.apply(badPolicy)
	for _, a := range w.agents {
		a.waitState(true, badPart)
	}
	eventually(t, wait, func() error { return w.warned("bad") })
	w.deletePolicies("bad")
	for _, a := range w.agents {
		w.waitWithoutWarnings(a)
	}
	if err := w.warned("bad"); err != nil {
		t.Error(err)
	}
}

// warned looks for exactly one Warning Event about a policy.
func (w *testCluster) warned(policy string) error {
	events, err := w.Admin.CoreV1().Events(w.namespace).List(context.Background(),
		metav1.ListOptions{})
	if err != nil {
		return err
	}
	count := 0
	for _, e := range events.Items {
		if e.InvolvedObject.Name == policy && e.Type == corev1.EventTypeWarning &&
			strings.Contains(e.Message, "spec.ingress[0].from[0].ipBlock.cidr") {
			count++
		}
	}
	if count != 1 {
		return fmt.Errorf("%d Warning Events about %s", count, policy)
	}
	return nil
}
