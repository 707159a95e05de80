package scene

import (
	"slices"
	"strings"
	"testing"
)

// parse reads a scene of the usual cluster, behind a comment and the scene's name: the first
// statement stands in line 3.
func parse(t *testing.T, statements string) ([]*Scene, error) {
	t.Helper()
	w, err := Cluster()
	if err != nil {
		t.Fatal(err)
	}
	return Parse(w, "some.txtar", "# Some.\n-- name --\n"+statements)
}

// One line says what is wrong, and where.
func TestErrors(t *testing.T) {
	const flow = "\nallow a/web > a/db TCP 80"
	for _, row := range []struct{ statements, want string }{
		{"", `some.txtar:2: the scene "name" ends without a flow`},
		{"alow a/web > a/db TCP 80", `some.txtar:3: "alow" is no statement; expected node, ` +
			`namespace, pod, policy, patch, delete, each, then, problem, no, or a flow, which ` +
			`starts with allow or deny`},
		{"deny-all a/web > a/db TCP 80", `some.txtar:3: "deny-all" is no verdict; expected ` +
			`allow, deny-egress, deny-ingress or deny-both`},
		{"# comment\n\nallow a/web a/db TCP 80",
			"some.txtar:5: expected VERDICT FROM > TO PROTOCOL PORT"},
		{"allow a/web > a/wbe TCP 80",
			`some.txtar:3: "a/wbe" is neither a pod or node with an address, nor one`},
		{"allow a/web > a/db@5 TCP 80", "some.txtar:3: @5 is no family; expected @4 or @6"},
		{"allow a/web > 8.8.8.8@6 TCP 80",
			"some.txtar:3: a/web and 8.8.8.8 have no addresses of one family"},
		{"allow a/web > a/db ICMP 80",
			"some.txtar:3: expected PING, or TCP, UDP or SCTP and a port, and nothing else"},
		{"allow a/web > a/db TCP 80 81",
			"some.txtar:3: expected PING, or TCP, UDP or SCTP and a port, and nothing else"},
		{"allow a/web > a/db TCP 65536",
			`some.txtar:3: strconv.ParseUint: parsing "65536": value out of range`},
		{"policy p {}" + flow, `some.txtar:3: "p": expected namespace/name`},
		{"policy a/p {podselecter: {}}" + flow,
			`some.txtar:3: policy a/p: error unmarshaling JSON: while decoding JSON: json: unknown ` +
				`field "podselecter"`},
		{"policy a/p {" + flow, "some.txtar:3: policy a/p: error converting YAML to JSON: yaml: " +
			"line 1: did not find expected node content"},
		{"  indented", "some.txtar:3: an indented line that continues nothing"},
		{"pod a/x" + flow, "some.txtar:3: pod: expected namespace/name and a node, which may be -"},
		{"pod a/x n1 web" + flow, `some.txtar:3: pod: "web" is no label, port, address or host`},
		{"pod a/x n9" + flow, `some.txtar:3: pod: there is no node "n9" to give it addresses`},
		{"node n9 house" + flow, `some.txtar:3: node: "house" is neither an address nor a range`},
		{"namespace x blue" + flow, `some.txtar:3: namespace: "blue" is no label`},
		{"patch pod a/x {}" + flow, `some.txtar:3: there is no "a/x"`},
		{"patch house a/web {}" + flow,
			`some.txtar:3: "house" is no kind; expected node, namespace, pod or policy`},
		{"patch pod a/web {status: {fase: x}}" + flow,
			`some.txtar:3: error unmarshaling JSON: while decoding JSON: json: unknown field "fase"`},
		{"delete policy a/p" + flow, `some.txtar:3: there is no "a/p"`},
		{flow[1:] + "\npolicy a/p {}" + flow, `some.txtar:4: an object behind flows; expected a ` +
			`line "then WHAT HAPPENS" before it`},
		{"then it rains" + flow, `some.txtar:3: expected "then WHAT HAPPENS", behind a flow`},
		{"no rain: it is dry" + flow,
			`some.txtar:3: expected "no packets: REASON" or "no oracle: REASON"`},
		{"each X" + flow, "some.txtar:3: expected each WORD, and a value in each of some indented " +
			"lines"},
		{"each X\n  1\neach Y\n  2" + flow, "some.txtar:5: a second each"},
		{flow[1:] + "\n-- name --" + flow, `some.txtar:4: a second scene "name"`},
		{flow[1:] + "\n-- cluster --" + flow, "some.txtar:5: only objects may stand here"},
	} {
		_, err := parse(t, row.statements+"\n")
		if err == nil || err.Error() != row.want {
			t.Errorf("%s:\n%v, want\n%s", row.statements, err, row.want)
		}
	}
	for text, want := range map[string]string{
		"-- name --\n":             "some.txtar:1: expected a # paragraph that says what the file shows",
		"# Some.\nx\n-- name --\n": "some.txtar:2: expected a line that starts with # or --",
	} {
		if _, err := Parse(nil, "some.txtar", text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// What is read is what is written.
func TestParse(t *testing.T) {
	scenes, err := parse(t, `each PORT
  {port: 1}
  {port: 2}
no packets: nobody
  listens
pod a/new n3 app=new web:80/UDP
patch pod a/new
  metadata: {labels: {tier: x}}
policy a/p
  podSelector: {}
  ingress: [{ports: [$PORT]}]
problem one
problem a second
  one
deny-ingress a/new > a/web TCP 80 by nothing
allow out > n1@6 PING

then it goes
delete pod a/new
namespace a
deny 10.244.1.3 > a/web SCTP 7
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(scenes) != 2 || scenes[1].Name != "name: {port: 2}" || scenes[1].Topic != "some" ||
		scenes[1].NoPackets != "nobody listens" || len(scenes[1].Steps) != 2 {
		t.Fatalf("%+v", scenes)
	}
	first, second := scenes[1].Steps[0], scenes[1].Steps[1]
	if !slices.Equal(first.Problems, []string{"one", "a second one"}) || second.Name != "it goes" {
		t.Errorf("%+v", scenes[1].Steps)
	}
	var flows []string
	for _, f := range append(first.Flows, second.Flows...) {
		flows = append(flows, string(f.Verdict)+" "+f.Flow.String()+" "+f.By+" "+f.At)
	}
	want := `deny-ingress 10.244.3.11 > 10.244.1.2 TCP 80 nothing some.txtar:17
deny-ingress fd00:10:244:3::b > fd00:10:244:1::2 TCP 80 nothing some.txtar:17
allow 2001:db8::1 > fd77::11 other  some.txtar:18
deny 10.244.1.3 > 10.244.1.2 SCTP 7  some.txtar:23`
	if got := strings.Join(flows, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p := first.World.Pods[len(first.World.Pods)-1]
	if p.Labels["app"] != "new" || p.Labels["tier"] != "x" || len(p.Status.PodIPs) != 2 ||
		p.Spec.Containers[0].Ports[0].Name != "web" {
		t.Errorf("%v", p)
	}
	if port := first.World.Policies[0].Spec.Ingress[0].Ports[0].Port; port.IntVal != 2 {
		t.Errorf("%v", port)
	}
	if first.World.Pods[0] != second.World.Pods[0] || len(second.World.Pods) != len(first.World.Pods)-1 {
		t.Error("a step changes objects that it does not name")
	}
}

// The corpus names the halves that deny, and each scene once.
func TestCorpus(t *testing.T) {
	scenes, err := Corpus()
	if err != nil {
		t.Fatal(err)
	}
	seen, flows, steps := map[string]bool{}, 0, 0
	for _, s := range scenes {
		if id := s.Topic + ": " + s.Name; seen[id] {
			t.Errorf("a second %s", id)
		} else {
			seen[id] = true
		}
		for _, step := range s.Steps {
			steps++
			flows += len(step.Flows)
			for _, f := range step.Flows {
				if f.Verdict == Deny {
					t.Errorf("%s: which half denies?", f)
				}
			}
		}
	}
	t.Logf("%d scenes, %d steps, %d flows", len(scenes), steps, flows)
}
