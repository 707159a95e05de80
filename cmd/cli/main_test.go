package cli_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/cli"
)

// picket runs the command line and returns its exit code and what it printed.
func picket(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = cli.Main(args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// succeed runs the command line, which must end well.
func succeed(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := picket(args...)
	if code != 0 {
		t.Fatalf("picket %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

func numeral(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// twoPods writes a cluster of two pods, of which a/lone lets nobody in, and returns its folder.
func twoPods(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "cluster.yaml"), `
apiVersion: v1
kind: Pod
metadata: {namespace: a, name: web}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.0.1.2}, {ip: 'fd00:1::2'}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: a, name: lone, labels: {app: lone}}
spec: {nodeName: n2}
status: {podIPs: [{ip: 10.0.2.2}, {ip: 'fd00:2::2'}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: a, name: lone}
spec:
  podSelector: {matchLabels: {app: lone}}
  ingress:
  - from: [{ipBlock: {cidr: 10.0.1.0/24}}]
    ports: [{port: 443}, {protocol: UDP, port: 53}]
  - from: [{ipBlock: {cidr: 'fd00:1::/64'}}]
    ports: [{port: 443}, {port: 8443}]
`)
	return folder
}

// A wrong command line is one line on stderr, which names the flag and what it expects, and exit
// code 2.
func TestErrors(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	folder := twoPods(t)
	for _, row := range []struct{ args, want string }{
		{"nope", `unknown command "nope" for "picket"`},
		{"matrx -f DIR", `unknown command "matrx" for "picket"; meant matrix?`},
		{"matrix extra", `unknown command "extra" for "picket matrix"`},
		{"matrix", "no files and no cluster: expected files (-f) or a kubeconfig (--kubeconfig, " +
			"KUBECONFIG)"},
		{"matrix --nope", `unknown flag: --nope; see picket matrix --help`},
		{"matrix --port", `flag needs an argument: --port; see picket matrix --help`},
		{"matrix -f DIR --port 65536",
			`--port "65536": expected destination port, 1 to 65535; without it every declared one, or 80 in a grid; see picket matrix --help`},
		{"matrix -f DIR --port http",
			`--port "http": expected destination port, 1 to 65535; without it every declared one, or 80 in a grid; see picket matrix --help`},
		{"matrix -f DIR --port 0", `--port 0: expected 1 to 65535`},
		{"matrix -f DIR --family six",
			`--family "six": expected 4 or 6: look at one address family only, in a grid; see picket matrix --help`},
		{"matrix -f DIR --family 5", `--family 5: expected 4 or 6`},
		{"matrix -f DIR --protocol icmp", `--protocol: protocol "icmp": expected tcp, udp or sctp`},
		{"matrix -f DIR --protocol udp", "--protocol: expected it with --port or --grid"},
		{"matrix -f DIR --grid -n a",
			"--namespace: expected it without --grid, which has every pod"},
		{"matrix -f DIR -n aa", "--namespace: namespace aa: not found; meant a?"},
		{"lint -f DIR -n aa", "--namespace: namespace aa: not found; meant a?"},
		{"coverage -f DIR --fail-under NaN", `--fail-under "NaN": expected 0% to 100%`},
		{"matrix --grid -f DIR -o yaml", `-o "yaml": expected table or json with --grid`},
		{"matrix -f DIR -o xml", `-o "xml": expected table, wide, json or yaml`},
		{"matrix -f DIR/none",
			`--manifests: read manifests: stat DIR/none: no such file or directory; expected a file or folder of Kubernetes manifests`},
		{"render -f DIR", `--node-name is missing; expected the node whose ruleset to print`},
		{"render --node-name n1",
			`--manifests is missing; expected a file or folder of Kubernetes manifests`},
		{"render -f DIR --node-name n9",
			`--node-name "n9": no node and no pod of the manifests has this name; they have: n1, n2`},
		{"agent --node-name n1 -f x -f -",
			`--manifests -: expected files and folders, which an agent can watch`},
		{"matrix -f DIR -f DIR/none",
			`--manifests: read manifests: stat DIR/none: no such file or directory; expected a file or folder of Kubernetes manifests`},
		{"matrix -f - -f -",
			`--manifests: path "-": the standard input can be read once only; expected a file or folder of Kubernetes manifests`},
		{"render -f DIR --node-name n1 --deny maybe",
			`--deny: denial "maybe": expected drop or reject`},
		{"render -f DIR --node-name n1 -o yaml", `-o "yaml": expected nft, iptables or program`},
		{"render -f DIR/none --node-name n1",
			`--manifests: read manifests: stat DIR/none: no such file or directory; expected a file or folder of Kubernetes manifests`},
		{"agent --node-name=",
			`--node-name is missing; expected the name of this node, here or in the variable NODE_NAME`},
		{"agent --node-name n1 --kubeconfig x -f y",
			`--kubeconfig and --manifests exclude each other; expected one of them, or none inside a cluster`},
		{"agent --node-name n1 --deny no", `--deny: denial "no": expected drop or reject`},
		{"agent --node-name n1 --log-format xml", `--log-format "xml": expected text or json`},
		{"agent --node-name n1 --log-level loud",
			`--log-level "loud": expected debug, info, warn or error`},
		{"agent --node-name n1 --own-table=maybe",
			`--own-table "maybe": expected true or false; see picket agent --help`},
		{"cleanup now", `unknown command "now" for "picket cleanup"`},
		{"version 2", `unknown command "2" for "picket version"`},
	} {
		code, stdout, stderr := picket(strings.Fields(
			strings.ReplaceAll(row.args, "DIR", folder))...)
		if want := "picket: " + strings.ReplaceAll(row.want, "DIR", folder) + "\n"; code != 2 ||
			stdout != "" || stderr != want {
			t.Errorf("picket %s: exit code %d, stdout %q\n%swant\n%s", row.args, code, stdout,
				stderr, want)
		}
	}
}

// A folder without manifests is no error but told, and what is wrong in files is a warning beside
// the answer.
func TestWarningsDoNotFail(t *testing.T) {
	empty := t.TempDir()
	if stdout, stderr := succeed(t, "matrix", "--grid", "-f", empty, "-o",
		"json"); stdout != "{\"pods\":[],\"allowed\":[]}\n" ||
		stderr != "warning: "+empty+": holds no manifests; expected files named *.yaml, *.yml or "+
			"*.json\n" {
		t.Errorf("%q, %q", stdout, stderr)
	}
	folder := twoPods(t)
	write(t, filepath.Join(folder, "broken.yaml"),
		"apiVersion: v1\nkind: Pod\nmetadata: {name: Not A Name}\n")
	_, stderr := succeed(t, "matrix", "--grid", "-f", folder)
	if want := "warning: " + folder + "/broken.yaml: document 1: "; !strings.HasPrefix(stderr,
		want) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("%q, want %q", stderr, want)
	}
}

// The matrix says who reaches whom, in the forms of -o.
func TestMatrix(t *testing.T) {
	folder := twoPods(t)
	const open, closed = `{"pods":["a/lone","a/web"],"allowed":[[true,true],[true,true]]}`,
		`{"pods":["a/lone","a/web"],"allowed":[[true,true],[false,true]]}`
	for flags, want := range map[string]string{
		"":                                    closed,
		"--port 443":                          open,
		"--port 443 --family 4":               open,
		"--port 8443":                         closed, // one family is not enough
		"--port 8443 --family 6":              open,
		"--port 8443 --family 4":              closed,
		"--port 53":                           closed,
		"--port 53 --protocol udp":            closed,
		"--port 53 --protocol=UDP --family=4": open,
		"--port 443 --protocol sctp":          closed,
	} {
		stdout, stderr := succeed(t, append([]string{"matrix", "--grid", "-o", "json", "--manifests", folder},
			strings.Fields(flags)...)...)
		if stdout != want+"\n" || stderr != "" {
			t.Errorf("matrix %s: %swant %s\n%s", flags, stdout, want, stderr)
		}
	}
	stdout, _ := succeed(t, "matrix", "--grid", "-f", folder)
	if want := "   from \\ to  1    2\n1  a/lone     yes  yes\n2  a/web      -    yes\n"; stdout != want {
		t.Errorf("%swant\n%s", stdout, want)
	}
}

// Pods of one family each do not reach each other; a family that nobody has is nobody's.
func TestMatrixNeedsACommonFamily(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "cluster.json"), `{"apiVersion":"v1","kind":"PodList","items":[
		{"metadata":{"namespace":"a","name":"four"},"spec":{"nodeName":"n"},"status":{"podIP":"10.0.0.1"}},
		{"metadata":{"namespace":"a","name":"gone"},"spec":{"nodeName":"n"},"status":{"phase":"Succeeded","podIP":"10.0.0.3"}},
		{"metadata":{"namespace":"a","name":"new"},"spec":{"nodeName":"n"}},
		{"metadata":{"namespace":"a","name":"six"},"spec":{"nodeName":"n"},"status":{"podIP":"fd00::1"}}]}`)
	for family, want := range map[string]string{
		"0": "[[true,false],[false,true]]", "4": "[[true,false],[false,false]]",
		"6": "[[false,false],[false,true]]",
	} {
		if stdout, _ := succeed(t, "matrix", "--grid", "-f", filepath.Join(folder, "cluster.json"), "-o",
			"json", "--family", family); stdout != `{"pods":["a/four","a/six"],"allowed":`+want+
			"}\n" {
			t.Errorf("--family %s: %s", family, stdout)
		}
	}
}

// The version names the program, Go and the platform.
func TestVersion(t *testing.T) {
	stdout, stderr := succeed(t, "version")
	pattern := regexp.MustCompile(`^picket \S+ ` +
		regexp.QuoteMeta(runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH) + "\n$")
	if !pattern.MatchString(stdout) || stderr != "" {
		t.Errorf("%q, want %s", stdout, pattern)
	}
}
