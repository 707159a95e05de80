package smoke

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// picket runs the command line as people have it, with the kubeconfig of kubectl.
func picket(args ...string) (code int, out string, err error) {
	var stdout, complaint bytes.Buffer
	cmd := exec.Command(filepath.Join(os.Getenv("PICKET_ROOT"), "bin", "picket"), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &complaint
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == 1 {
		return 1, stdout.String(), nil
	}
	if err != nil {
		err = fmt.Errorf("picket %s: %w: %s%s", strings.Join(args, " "), err, &stdout, &complaint)
	}
	return 0, stdout.String(), err
}

// late is a policy that changes nothing for anybody.
const late = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: late, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
`

// answers come from the agents, which are asked in their pods.
func (s *story) answers(t *testing.T) {
	create(t, "apply", late)
	defer func() { must(t, "delete", "networkpolicy", "-n", "shop", "late") }()
	for _, question := range []struct {
		line string
		code int
		says []string
	}{
		{"status netpol/late -n shop --wait --timeout 30s", 0,
			[]string{"shop/late  generation 1  in force on ", "since "}},
		{"kernel shop/web", 0, []string{"shop/web ", "as it should be", "isolated by ", "late"}},
		{"kernel", 0, []string{"NODE n1", "shop/web"}},
		{"status node/n1", 0, []string{"n1  READY", "no sign of another program"}},
		{"why other/guest shop/web:8080", 1, []string{"DENIED", "kernel: ", " drops it in ingress/shop/web"}},
		{"why shop/near shop/web:8080", 0, []string{"ALLOWED", "kernel: ", " lets it through"}},
	} {
		code, out, err := picket(strings.Fields(question.line)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range question.says {
			if code != question.code || !strings.Contains(out, text) {
				t.Errorf("picket %s: exit code %d; expected %d and %q\n%s", question.line, code,
					question.code, text, out)
			}
		}
		for _, text := range []string{"could not be asked", "DIFFERS"} {
			if strings.Contains(out, text) {
				t.Errorf("picket %s: %s\n%s", question.line, text, out)
			}
		}
	}
	s.fleet(t)
}

// fleet is what the command line says of all nodes, with flags that say where the agents are.
func (s *story) fleet(t *testing.T, flags ...string) {
	t.Helper()
	_, out, err := picket(append([]string{"status", "-o", "json"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Answer struct {
			Policies int
			Nodes    []struct {
				Node         string
				Asked, Ready bool
				InForce      int
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatal(err)
	}
	if len(said.Answer.Nodes) != len(nodes(t)) || said.Answer.Policies == 0 {
		t.Errorf("%s", out)
	}
	for _, n := range said.Answer.Nodes {
		if !n.Asked || !n.Ready || n.InForce != said.Answer.Policies {
			t.Errorf("%+v; expected to be asked, ready and up to date:\n%s", n, out)
		}
	}
}
