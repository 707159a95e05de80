package agents_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/picket-project/picket/cmd/cli/agents"
	"github.com/picket-project/picket/cmd/cli/agents/agentstest"
	"github.com/picket-project/picket/cmd/inspect/agent"
)

// fleetOf is the fleet of an API server.
func fleetOf(t *testing.T, s agentstest.Server) agents.Fleet {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	return agents.Fleet{Config: config, Namespace: "kube-system", Version: "v2"}
}

// saying is an agent that answers everything with a word.
func saying(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", word+" "+r.URL.String())
	})
}

// Each agent is asked in its own pod, also where no WebSocket can be had, and who cannot be asked is
// named with the reason.
func TestFleet(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	fleet := fleetOf(t, agentstest.Server{Agents: map[string]http.Handler{"n2": saying("two"),
		"n1": saying("one"), "n3": nil}})
	list, err := fleet.Agents(ctx)
	if err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	answers := agent.Each(ctx, agents.Clients(list), func(ctx context.Context, c agent.Client) (string, error) {
		return agent.Ask[string](ctx, c, "/v1/word?loud=1")
	})
	for i, want := range []string{"one /v1/word?loud=1", "two /v1/word?loud=1", ""} {
		if answers[i].Value != want || (want == "") != (answers[i].Err != nil) {
			t.Errorf("%+v; expected %q", answers[i], want)
		}
	}
	for _, text := range []string{"the agent of n3: exec in kube-system/picket-n3", "forbidden"} {
		if err := answers[2].Err; err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v", err)
		}
	}
	if one, err := fleet.Of(ctx, "n2"); err != nil || one.Node != "n2" {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := fleet.Of(ctx, "n4"); err == nil || !strings.Contains(err.Error(), "no agent on n4") {
		t.Errorf("%v", err)
	}
}

// Agents in pods of flannel's chart are asked in their container there.
func TestFleetOfFlannelsChart(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	fleet := fleetOf(t, agentstest.Server{InFlannel: true, Agents: map[string]http.Handler{
		"n1": saying("one")}})
	one, err := fleet.Of(ctx, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := agent.Ask[string](ctx, one.Client, "/v1/word"); err != nil || said != "one /v1/word" {
		t.Errorf("%q, %v", said, err)
	}
	if name := one.Container(); name != "kube-network-policies" {
		t.Errorf("container %s", name)
	}
}
