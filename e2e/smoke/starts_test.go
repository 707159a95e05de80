package smoke

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// starts lets pods send what is forbidden as their first act: on nodes that allow unknown pods, to
// see that it arrives there; on nodes that deny them; and on such nodes while no agent runs. LEAK,
// what arrived of the latter two, must be 0. STARTS is how many pods these are.
func (s *story) starts(t *testing.T) {
	all, err := podsToStart(os.Getenv("STARTS"))
	if err != nil {
		t.Fatal(err)
	}
	must(t, "apply", "-f", "testdata/vault.yaml")
	must(t, "wait", "-n", "other", "--for=condition=Ready", "pod/vault", "--timeout=60s")
	if start(t, "allow", all/5, actAtOnce) == 0 {
		t.Error("nothing arrived while nothing was denied: a leak would not be seen")
	}
	agents(t,
		`[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--unknown-pods=deny"}]`)
	if leak := start(t, "deny", all*3/5, actAtOnce) + start(t, "dead", all*2/5,
		actUnwatched); leak != 0 {
		t.Errorf("LEAK = %d; expected 0", leak)
	}
	must(t, "delete", "-f", "testdata/vault.yaml")
}

// podsToStart reads the number of pods that start. A fifth of them starts while all is allowed, so
// there must be five.
func podsToStart(text string) (int, error) {
	all, err := strconv.Atoi(cmp.Or(text, "100"))
	if err != nil || all < 5 {
		return 0, fmt.Errorf("STARTS=%s: expected how many pods start, 5 or more", text)
	}
	return all, nil
}

func TestPodsToStart(t *testing.T) {
	for text, want := range map[string]int{"": 100, "5": 5, "4": 0, "-1": 0, "many": 0} {
		all, err := podsToStart(text)
		if all != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v; expected %d", text, all, err, want)
		}
	}
}

// agents changes the DaemonSet and waits until its pods are as it says.
func agents(t *testing.T, patch string) {
	t.Helper()
	must(t, "patch", "-n", "kube-system", "daemonset/picket", "--type=json", "-p", patch)
	must(t, "rollout", "status", "-n", "kube-system", "daemonset/picket", "--timeout=180s")
}

// abreast is how many pods start at the same time, on two nodes: as many as these have room for.
const abreast = 80

// start starts pods that may speak to the DNS server and not to the vault, and returns how many of
// their packets have reached the vault. They end when they got an answer.
func start(t *testing.T, flow string, count int, act func(t *testing.T, manifest string)) (
	leak int) {
	t.Helper()
	var all []beginning
	for first := 0; first < count; first += abreast {
		wave := min(abreast, count-first)
		act(t, newcomers(t, flow, first, wave))
		become(t, "Succeeded")
		all = append(all, begun(t, wave)...)
		must(t, "delete", "pod", "-n", "shop", "-l", "app=newcomer", "--wait")
	}
	slices.SortFunc(all, func(a, b beginning) int { return cmp.Compare(a.Delay, b.Delay) })
	sent := 0
	for _, b := range all {
		sent += b.Sent
	}
	leak = told(t, "other", "vault").Flows[flow].Received
	t.Logf("%-5s %4d pods sent %7d forbidden packets, %d arrived; the first permitted one was "+
		"answered after %v (median), %v (longest)", flow,
		count, sent, leak, all[count/2].Delay.Round(time.Millisecond),
		all[count-1].Delay.Round(time.Millisecond))
	return leak
}

func actAtOnce(t *testing.T, manifest string) { create(t, "apply", manifest) }

// actUnwatched starts pods while no agent runs, and the agents when all of these pods have begun.
func actUnwatched(t *testing.T, manifest string) {
	agents(t, `[{"op": "add", "path": "/spec/template/spec/nodeSelector/picket", "value": "away"}]`)
	noAgents(t)
	create(t, "apply", manifest)
	become(t, "Running")
	agents(t, `[{"op": "remove", "path": "/spec/template/spec/nodeSelector/picket"}]`)
}

// become waits until all newcomers are in a phase.
func become(t *testing.T, phase string) {
	t.Helper()
	must(t, "wait", "pod", "-n", "shop", "-l", "app=newcomer", "--for=jsonpath={.status.phase}="+
		phase, "--timeout=180s")
}

// newcomers are the manifests of some pods.
func newcomers(t *testing.T, flow string, first, count int) string {
	t.Helper()
	forbidden := pod(t, "other", "vault", "udp", "5353").addresses[0]
	permitted := pod(t, "infra", "dns", "udp", "53").addresses[0]
	var text strings.Builder
	for number := first; number < first+count; number++ {
		fmt.Fprintf(&text, `---
apiVersion: v1
kind: Pod
metadata: {name: new-%s-%d, namespace: shop, labels: {app: newcomer}}
spec:
  nodeName: n%d
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "localhost/probe:e2e", args: [begin, --flow, %s, --number, "%d", --forbidden, "%s", --permitted, "%s"]}]
`, flow, number, 1+number%2, flow, number, strings.TrimPrefix(forbidden, "udp/"), strings.TrimPrefix(permitted, "udp/"))
	}
	return text.String()
}

// beginning is what a newcomer says in the end.
type beginning struct {
	Sent  int
	Delay time.Duration
}

func begun(t *testing.T, count int) (list []beginning) {
	t.Helper()
	logs := must(t, "logs", "-n", "shop", "-l", "app=newcomer", "--tail=-1", "--max-log-requests",
		strconv.Itoa(count))
	for line := range strings.Lines(logs) {
		var b beginning
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, b)
	}
	if len(list) != count {
		t.Fatalf("%d pods say what they sent; expected %d", len(list), count)
	}
	return list
}
