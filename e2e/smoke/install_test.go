package smoke

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// chart installs what the Helm chart renders, with agents that answer on their node's address, and
// removes it.
func (s *story) chart(t *testing.T) {
	manifest := os.Getenv("CHART_MANIFEST")
	if manifest == "" {
		t.Fatal("CHART_MANIFEST is missing; expected what deploy/helm renders, run: make e2e")
	}
	must(t, "apply", "-f", manifest)
	must(t, "rollout", "status", "-n", "kube-system", "daemonset/picket", "--timeout=90s")
	s.under().comesTrue(t, s.all()...)
	must(t, "delete", "-f", manifest, "--wait")
	noAgents(t)
	s.cleanup(t)
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
	must(t, "apply", "-f", "testdata/bad.yaml")
	eventually(t, 45*time.Second, warnsOfEvents)
	s.under().comesTrue(t, s.all()...)
	must(t, "delete", "-f", "testdata/bad.yaml")
	must(t, "delete", "-n", "kube-flannel", "daemonset/kube-flannel-ds", "--cascade=foreground")
	must(t, "delete", "namespace/kube-flannel", "clusterrole/flannel", "clusterrolebinding/flannel")
	s.cleanup(t)
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
