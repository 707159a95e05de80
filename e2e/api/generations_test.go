package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Each agent says which version of a policy its kernel holds, and since when: a new one when its
// spec changes, and none when only its labels do.
func TestGenerationsInForce(t *testing.T) {
	w := newShopCluster(t)
	w.apply(denyAll)
	w.inForce("deny", 1)
	first := w.revisions("deny")
	w.patch("deny", `{"metadata":{"labels":{"team":"shop"}}}`)
	w.inForce("deny", 1)
	for i, r := range w.revisions("deny") {
		if !r.Since.Equal(first[i].Since) {
			t.Errorf("%s: in force since %v, and %v before a label changed", w.agents[i].node, r.Since,
				first[i].Since)
		}
	}
	w.patch("deny", `{"spec":{"policyTypes":["Ingress","Egress"]}}`)
	w.inForce("deny", 2)
	for i, r := range w.revisions("deny") {
		if !r.Since.After(first[i].Since) || r.After <= 0 || r.After > 10*time.Second {
			t.Errorf("%s: generation 2 is in force since %v, after %v", w.agents[i].node, r.Since, r.After)
		}
	}
	w.deletePolicies("deny")
	w.inForce("deny", 0)
}

// patch changes a policy of this test.
func (w *testCluster) patch(policy, change string) {
	w.Helper()
	_, err := w.Admin.NetworkingV1().NetworkPolicies(w.namespace).Patch(context.Background(), policy,
		types.MergePatchType, []byte(change), metav1.PatchOptions{})
	w.must(nil, err)
}

// inForce waits until all agents say that they have a generation of a policy, in the version that the
// API server has; 0: that they have none.
func (w *testCluster) inForce(policy string, generation int64) {
	w.Helper()
	eventually(w.T, wait, func() error {
		version := ""
		np, err := w.Admin.NetworkingV1().NetworkPolicies(w.namespace).Get(context.Background(), policy,
			metav1.GetOptions{})
		if err == nil {
			version = np.ResourceVersion
		}
		for i, r := range w.revisions(policy) {
			if r.Generation != generation || r.ResourceVersion != version {
				return fmt.Errorf("%s has generation %d, version %s; expected %d, %s", w.agents[i].node,
					r.Generation, r.ResourceVersion, generation, version)
			}
		}
		return nil
	})
}

// revision is what an agent says of a policy; without one it says nothing.
type revision struct {
	Policy, ResourceVersion string
	Generation              int64
	Since                   time.Time
	After                   time.Duration
}

// revisions asks all agents for a policy, over the sockets of their nodes.
func (w *testCluster) revisions(policy string) (list []revision) {
	w.Helper()
	for _, a := range w.agents {
		var status struct{ Policies []revision }
		w.must(nil, w.cluster.InNode(a.node, func() error { return askAgent("/v1/status", &status) }))
		name := w.namespace + "/" + policy
		i := slices.IndexFunc(status.Policies, func(r revision) bool { return r.Policy == name })
		if i < 0 {
			list = append(list, revision{})
			continue
		}
		list = append(list, status.Policies[i])
	}
	return list
}

// askAgent asks the agent of the calling thread's network namespace.
func askAgent(path string, answer any) error {
	// The socket is opened here and not by the client, whose threads can be in another namespace.
	conn, err := net.Dial("unix", "@picket/agent")
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	response, err := client.Get("http://agent" + path)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(answer)
}
