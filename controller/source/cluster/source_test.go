package cluster

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/controller/source/client"
	"github.com/picket-project/picket/ruleset/policy"
)

// idle returns a Source that has a policy with a problem and reads nothing, and what it delivers.
func idle(t *testing.T, objects *fake.Clientset) (*Source, *[]source.Mail) {
	s, mail := &Source{Client: clientOf(objects), Node: "n1"}, &[]source.Mail{}
	s.prepare(func(m source.Mail) { *mail = append(*mail, m) })
	t.Cleanup(s.deleted.queue.ShutDown)
	t.Cleanup(s.events.queue.ShutDown)
	s.outages.succeeded("networkpolicies")
	_ = s.policies.Add(badPolicy)
	*mail = nil
	return s, mail
}

// clientOf is a client of objects in memory.
func clientOf(objects *fake.Clientset) *client.Client {
	core, networking := objects.CoreV1(), objects.NetworkingV1()
	return &client.Client{
		Namespaces: core.Namespaces(), Nodes: core.Nodes(),
		Pods: func(namespace string) client.Reader[corev1.Pod, corev1.PodList] {
			return core.Pods(namespace)
		},
		Policies: func(namespace string) client.Reader[networkingv1.NetworkPolicy,
			networkingv1.NetworkPolicyList] {
			return networking.NetworkPolicies(namespace)
		},
		Events: func(namespace string) client.Creator[corev1.Event] { return core.Events(namespace) },
	}
}

// react lets an answer replace that of the client, where handled is true.
func react(objects *fake.Clientset, verb, resource string, answer func() (handled bool, err error)) {
	objects.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		handled, err := answer()
		return handled, nil, err
	})
}

// gone returns the names of the policies whose deletion is in the mail.
func gone(mail []source.Mail) (names []string) {
	for _, m := range mail {
		for _, e := range m.Events {
			if e, ok := e.(graph.PolicyGone); ok {
				names = append(names, e.Key.Name)
			}
		}
	}
	return names
}

// A policy that is deleted while the server is asked for its namespace waits for the next answer:
// this one may be from before the namespace terminated.
func TestAnAnswerCountsForEarlierDeletions(t *testing.T) {
	objects := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	s, mail := idle(t, objects)
	key := func(name string) policy.Key { return policy.Key{Namespace: "default", Name: name} }
	react(objects, "get", "namespaces", func() (bool, error) {
		if len(*mail) == 0 {
			s.deleted.add(key("second"))
		}
		return false, nil
	})
	s.deleted.add(key("first"))
	for _, want := range []string{"first", "first second"} {
		if err := s.deleted.askNamespace(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(gone(*mail), " "); got != want {
			t.Errorf("gone: %q, want %q", got, want)
		}
	}
}

// What a server said of a namespace that is gone since does not bring it back.
func TestAnAnswerAboutANamespaceThatIsGone(t *testing.T) {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", UID: "one"}}
	other := space.DeepCopy()
	other.UID = "two"
	labelled := space.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	for name, meanwhile := range map[string]func(*store){
		"nothing":     func(*store) {},
		"deleted":     func(namespaces *store) { _ = namespaces.Delete(space) },
		"another one": func(namespaces *store) { _ = namespaces.Update(other) },
		"a change":    func(namespaces *store) { _ = namespaces.Update(labelled) },
	} {
		objects := fake.NewClientset(space)
		s, mail := idle(t, objects)
		namespaces := s.stores[0]
		_ = namespaces.Add(space)
		react(objects, "get", "namespaces", func() (bool, error) {
			meanwhile(namespaces)
			return false, nil
		})
		s.deleted.add(policy.Key{Namespace: "default", Name: "p"})
		if err := s.deleted.askNamespace(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
		last := (*mail)[len(*mail)-1].Events
		_, said := last[0].(graph.NamespaceAsked)
		if want := name == "nothing" || name == "a change"; said != want || len(gone(*mail)) != 1 {
			t.Errorf("%s: the answer counts: %t; %+v", name, said, *mail)
		}
	}
}

// Without an answer about the namespace, deleted policies stay in force, and after a while there
// is a complaint.
func TestNoAnswerAboutANamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := fake.NewClientset()
		s, mail := idle(t, objects)
		var works atomic.Bool
		react(objects, "get", "namespaces", func() (bool, error) {
			return !works.Load(), errors.New("forbidden")
		})
		go s.deleted.run(t.Context())
		_ = s.policies.Delete(badPolicy)
		time.Sleep(complaintDelay + 5*time.Second)
		synctest.Wait()
		if len(gone(*mail)) != 0 || len(*mail) != 1 {
			t.Fatalf("mail: %+v", *mail)
		}
		complaint := (*mail)[0].Complaints["deleted policies"]
		if !strings.Contains(complaint, "get namespaces: forbidden") || (*mail)[0].Blind {
			t.Errorf("mail: %+v", *mail)
		}
		works.Store(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		left := (*mail)[1].Complaints
		if got := gone(*mail); len(got) != 1 || left == nil || len(left) != 0 {
			t.Errorf("mail: %+v", *mail)
		}
	})
}

// An Event that cannot be written now is written later, once.
func TestAnEventIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := fake.NewClientset()
		s, mail := idle(t, objects)
		start := time.Now()
		react(objects, "create", "events", func() (bool, error) {
			return time.Since(start) < time.Minute, errors.New("refused")
		})
		go s.events.run(t.Context())
		s.Report(policy.Parse(badPolicy).Problems)
		time.Sleep(time.Minute + 5*time.Second)
		synctest.Wait()
		events, err := objects.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(events.Items) != 1 {
			t.Errorf("%d Events, %v", len(events.Items), err)
		}
		if len(*mail) != 2 {
			t.Fatalf("mail: %+v", *mail)
		}
		complaint := (*mail)[0].Complaints["events"]
		if !strings.Contains(complaint, "create events: refused") ||
			len((*mail)[1].Complaints) != 0 {
			t.Errorf("mail: %+v", *mail)
		}
	})
}

// An Event that can never be written, as where a quota of its namespace is used up, is a complaint,
// whatever can be written elsewhere; that of one such does not change with each of the others.
func TestAnEventThatIsNeverWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := fake.NewClientset()
		s, mail := idle(t, objects)
		objects.PrependReactor("create", "events", func(a clienttesting.Action) (bool, runtime.Object,
			error) {
			return a.GetNamespace() == "full", nil, errors.New("exceeded quota")
		})
		go s.events.run(t.Context())
		var full []*networkingv1.NetworkPolicy
		for _, name := range []string{"a", "b"} {
			np := badPolicy.DeepCopy()
			np.Namespace, np.Name = "full", name
			_ = s.policies.Add(np)
			s.Report(policy.Parse(np).Problems)
			full = append(full, np)
		}
		*mail = nil
		for range 30 {
			s.Report(policy.Parse(badPolicy).Problems)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if len(*mail) != 1 || !strings.Contains((*mail)[0].Complaints["events"], "exceeded quota") {
			t.Fatalf("mail: %+v", *mail)
		}
		for _, np := range full {
			_ = s.policies.Delete(np)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if last := (*mail)[len(*mail)-1]; len(last.Complaints) > 0 || len(s.events.failing) > 0 {
			t.Errorf("%+v, %v", last, s.events.failing)
		}
	})
}

// A problem of the node is an Event about it, where kubectl looks for it.
func TestAWarningAboutTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := fake.NewClientset()
		s, _ := idle(t, objects)
		go s.events.run(t.Context())
		s.Warn("no range")
		s.Warn("no range")
		synctest.Wait()
		events, err := objects.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(events.Items) != 1 {
			t.Fatalf("%d Events, %v", len(events.Items), err)
		}
		e := events.Items[0]
		if about := e.InvolvedObject; about.Kind != "Node" || about.Name != s.Node {
			t.Errorf("it is about %+v", about)
		}
		if e.Message != "no range" || e.Type != corev1.EventTypeWarning {
			t.Errorf("%+v", e)
		}
	})
}

// The loop can report a policy, or a namespace, that has been deleted since. Nothing is kept of it.
func TestReportAfterTheDeletion(t *testing.T) {
	s, _ := idle(t, fake.NewClientset())
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	problem := policy.Parse(badPolicy).Problems[0]
	problem.Policy = policy.Key{Name: "shop"}
	namespaces := s.stores[0]
	_ = namespaces.Add(ns)
	for _, deleted := range []bool{false, true} {
		s.Report(policy.Parse(badPolicy).Problems)
		s.Report([]policy.Problem{problem})
		if n := len(s.problems); deleted == (n > 0) {
			t.Errorf("problems of %d objects are kept, of which all are deleted: %t", n, deleted)
		}
		_ = s.policies.Delete(badPolicy)
		_ = namespaces.Delete(ns)
	}
}

// An Event that cannot be written is no complaint any more once its policy is deleted.
func TestAnEventIsNotNeededAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := fake.NewClientset()
		s, mail := idle(t, objects)
		react(objects, "create", "events", func() (bool, error) {
			return true, errors.New("refused")
		})
		go s.events.run(t.Context())
		s.Report(policy.Parse(badPolicy).Problems)
		time.Sleep(complaintDelay + 5*time.Second)
		_ = s.policies.Delete(badPolicy)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(*mail) != 2 || len((*mail)[0].Complaints) != 1 || len((*mail)[1].Complaints) != 0 {
			t.Errorf("mail: %+v", *mail)
		}
	})
}
