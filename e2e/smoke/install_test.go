package smoke

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// helm runs the program of Helm.
func helm(t *testing.T, args ...string) {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		t.Fatal("HELM is missing; expected the path of Helm's program, run: make e2e")
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// chart installs the Helm chart by Helm, with agents that answer on their node's address, and
// removes it.
func (s *story) chart(t *testing.T) {
	helm(t, "install", "picket", os.Getenv("CHART"), "-n", "kube-system", "--set",
		"metrics.nodeAddress=true")
	must(t, "rollout", "status", "-n", "kube-system", "daemonset/picket", "--timeout=90s")
	s.under().comesTrue(t, s.all()...)
	helm(t, "uninstall", "picket", "-n", "kube-system")
	noAgents(t)
	s.cleanup(t)
	if left := must(t, "get", "secrets", "-A", "-l", "owner=helm", "-o", "name"); left != "" {
		t.Errorf("Helm has left %s", left)
	}
}

var shippedImage = regexp.MustCompile(`image: (\S+)`)

// netpol runs the image as flannel's chart runs kube-network-policies: under the name of that, with
// its flags, privileged, and with an account that may not create Events.
func (s *story) netpol(t *testing.T) {
	text, err := os.ReadFile("testdata/flannel.yaml")
	if err != nil {
		t.Fatal(err)
	}
	installed, err := os.ReadFile(shipped(t, "picket.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	image := shippedImage.FindSubmatch(installed)
	if image == nil {
		t.Fatal("picket.yaml names no image")
	}
	create(t, "apply", strings.ReplaceAll(string(text), "PICKET_IMAGE", string(image[1])))
	must(t, "rollout", "status", "-n", "kube-flannel", "daemonset/kube-flannel-ds", "--timeout=90s")
	s.under().comesTrue(t, s.all()...)
	s.answersOfFlannelsPods(t)
	must(t, "apply", "-f", "testdata/bad.yaml")
	eventually(t, 45*time.Second, warnsOfEvents)
	s.under().comesTrue(t, s.all()...)
	must(t, "delete", "-f", "testdata/bad.yaml")
	must(t, "delete", "-n", "kube-flannel", "daemonset/kube-flannel-ds", "--cascade=foreground")
	must(t, "delete", "namespace/kube-flannel", "clusterrole/flannel", "clusterrolebinding/flannel")
	s.cleanup(t)
}

// answersOfFlannelsPods asks the agents in the pods of flannel's chart.
func (s *story) answersOfFlannelsPods(t *testing.T) {
	t.Helper()
	s.fleet(t, "--agent-namespace", "kube-flannel")
	code, out, err := picket("kernel", "shop/web", "--agent-namespace", "kube-flannel")
	if err != nil || code != 0 || !strings.Contains(out, "as it should be") {
		t.Errorf("picket kernel: exit code %d, %v\n%s", code, err, out)
	}
}

// warnsOfEvents wants one line about Events from each agent that has one to write.
func warnsOfEvents() error {
	logs, err := kubectl("logs", "-n", "kube-flannel", "-l", "app=flannel", "--tail=-1", "--prefix")
	if err != nil {
		return err
	}
	warned := map[string]int{}
	for line := range strings.Lines(logs) {
		pod, _, _ := strings.Cut(line, " ")
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "create events:") {
			warned[pod]++
		}
	}
	for pod, times := range warned {
		if times != 1 {
			return fmt.Errorf("%s warned %d times; expected once", pod, times)
		}
	}
	if len(warned) == 0 {
		return fmt.Errorf("nobody warned:\n%s", logs)
	}
	return nil
}
