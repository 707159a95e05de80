package cluster

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/ruleset/policy"
)

// idle is a Cluster that knows a policy with a bad part and watches nothing; what it delivers is kept.
func idle(t *testing.T, client *fake.Clientset) (*Cluster, *[]source.Mail) {
	c, mail := &Cluster{Client: client, Node: "n1", outages: outages{}}, &[]source.Mail{}
	c.deliver = func(m source.Mail) { *mail = append(*mail, m) }
	c.graves, c.herald = newGraveyard(c), newHerald(c)
	t.Cleanup(c.graves.queue.ShutDown)
	t.Cleanup(c.herald.queue.ShutDown)
	c.ids, c.wrong = map[policy.Key]identity{}, map[policy.Key][]policy.Problem{}
	policies := followPolicies(c)
	c.outages.works("networkpolicies")
	_ = policies.Add(badPolicy)
	*mail = nil
	c.mirrors = map[string]*mirror{"networkpolicies": policies}
	return c, mail
}

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

// A policy that dies while the server is asked for its namespace waits for the next answer: this one may be
// from before the namespace terminated.
func TestAnAnswerCountsForWhatWasDeadBefore(t *testing.T) {
	client := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	c, mail := idle(t, client)
	dead := func(name string) policy.Key { return policy.Key{Namespace: "default", Name: name} }
	client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
		if len(*mail) == 0 {
			c.graves.bury(dead("second"))
		}
		return false, nil, nil
	})
	c.graves.bury(dead("first"))
	for _, want := range []string{"first", "first second"} {
		if err := c.graves.exhume(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(gone(*mail), " "); got != want {
			t.Errorf("gone: %q, want %q", got, want)
		}
	}
}

// Without an answer about the namespace, deleted policies stay in force, and after a while people are told.
func TestNoAnswerAboutANamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		c, mail := idle(t, client)
		var works atomic.Bool
		client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
			return !works.Load(), nil, errors.New("forbidden")
		})
		go c.graves.run(t.Context())
		_ = c.mirrors["networkpolicies"].Delete(badPolicy)
		time.Sleep(patience + 5*time.Second)
		synctest.Wait()
		if len(gone(*mail)) != 0 || len(*mail) != 1 || !strings.Contains((*mail)[0].Complaints["deleted policies"], "get namespaces: forbidden") || (*mail)[0].Blind {
			t.Errorf("told: %+v", *mail)
		}
		works.Store(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := gone(*mail); len(got) != 1 || (*mail)[1].Complaints == nil || len((*mail)[1].Complaints) != 0 {
			t.Errorf("told: %+v", *mail)
		}
	})
}

// An Event that cannot be written now is written later, once.
func TestAnEventIsWrittenInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		c, mail := idle(t, client)
		start := time.Now()
		client.PrependReactor("create", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
			return time.Since(start) < time.Minute, nil, errors.New("refused")
		})
		go c.herald.run(t.Context())
		c.Report(policy.Parse(badPolicy).Problems)
		time.Sleep(time.Minute + 5*time.Second)
		synctest.Wait()
		events, err := client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(events.Items) != 1 {
			t.Errorf("%d Events, %v", len(events.Items), err)
		}
		if len(*mail) != 2 || !strings.Contains((*mail)[0].Complaints["events"], "create events: refused") || len((*mail)[1].Complaints) != 0 {
			t.Errorf("told: %+v", *mail)
		}
	})
}

// What is wrong with the node is an Event on it, where kubectl looks for it.
func TestAWarningAboutTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		c, _ := idle(t, client)
		go c.herald.run(t.Context())
		c.Warn("no range")
		c.Warn("no range")
		synctest.Wait()
		events, err := client.CoreV1().Events(metav1.NamespaceDefault).List(t.Context(), metav1.ListOptions{})
		if err != nil || len(events.Items) != 1 {
			t.Fatalf("%d Events, %v", len(events.Items), err)
		}
		if e := events.Items[0]; e.InvolvedObject.Kind != "Node" || e.InvolvedObject.Name != c.Node || e.Message != "no range" || e.Type != corev1.EventTypeWarning {
			t.Errorf("%+v", e)
		}
	})
}

// An Event that cannot be written is not missed once its policy is gone.
func TestAnEventIsNotNeededAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		c, mail := idle(t, client)
		client.PrependReactor("create", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("refused")
		})
		go c.herald.run(t.Context())
		c.Report(policy.Parse(badPolicy).Problems)
		time.Sleep(patience + 5*time.Second)
		_ = c.mirrors["networkpolicies"].Delete(badPolicy)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(*mail) != 2 || len((*mail)[0].Complaints) != 1 || len((*mail)[1].Complaints) != 0 {
			t.Errorf("told: %+v", *mail)
		}
	})
}
