package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
)

// kubectl stands in for the real one: it knows three nodes, keeps what it is to create and notes
// what it is asked.
const kubectl = `#!/bin/sh
echo "$*" >>"$OUT/asked"
case $1 in
get) printf 'node/%s\n' node-1 node-2.example.com 10-0-0-3 ;;
create) cat >"$OUT/$(ls "$OUT" | wc -l).yaml" ;;
esac
`

// TestCleanupCommands runs the commands that the comment in cleanup.yaml tells people to run.
func TestCleanupCommands(t *testing.T) {
	bin, out := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-eu", "-c", commands(string(read(t, Cleanup))))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "OUT="+out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	created, _ := filepath.Glob(filepath.Join(out, "*.yaml"))
	var nodes []string
	for _, path := range created {
		nodes = append(nodes, only[*batchv1.Job](t,
			decode(t, path, read(t, path))).Spec.Template.Spec.NodeName)
	}
	if diff := cmp.Diff([]string{"node-1", "node-2.example.com", "10-0-0-3"}, nodes); diff != "" {
		t.Errorf("nodes that get a Job: %s", diff)
	}
	testAsked(t, string(read(t, filepath.Join(out, "asked"))))
}

// commands are the lines of a comment that are set apart from it.
func commands(text string) string {
	var script strings.Builder
	for _, line := range regexp.MustCompile(`(?m)^#     (.*)$`).FindAllStringSubmatch(text, -1) {
		script.WriteString(line[1] + "\n")
	}
	return script.String()
}

// testAsked: the agents go first and wait for their pods, and in the end one waits for the Jobs
// that were made.
func testAsked(t *testing.T, asked string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(asked), "\n")
	if len(lines) != 6 {
		t.Fatalf("kubectl was asked %d times; expected delete, get, 3 times create, wait:\n%s",
			len(lines), asked)
	}
	if !strings.HasPrefix(lines[0], "delete ") || !strings.Contains(lines[0],
		"--cascade=foreground") {
		t.Errorf("first: %s", lines[0])
	}
	file := regexp.MustCompile(`-f (\S+)`).FindStringSubmatch(lines[0])
	if file == nil || file[1] != Rendered { // a release has no overlays
		t.Errorf("deleted is %v; expected %s", file, Rendered)
	}
	job := only[*batchv1.Job](t, decode(t, Cleanup, read(t, Cleanup)))
	for key, value := range job.Labels {
		if !strings.HasPrefix(lines[5], "-n kube-system wait ") || !strings.Contains(lines[5], key+
			"="+value) {
			t.Errorf("last: %s; expected to wait for jobs with %s=%s", lines[5], key, value)
		}
	}
}

// TestCleanupEnds: a Job tries again, gives up, and goes.
func TestCleanupEnds(t *testing.T) {
	spec := only[*batchv1.Job](t, decode(t, Cleanup, read(t, Cleanup))).Spec
	got := []int64{int64(*spec.BackoffLimit), *spec.ActiveDeadlineSeconds,
		int64(*spec.TTLSecondsAfterFinished)}
	if diff := cmp.Diff([]int64{4, 300, 3600}, got); diff != "" {
		t.Error(diff)
	}
	if policy := spec.Template.Spec.RestartPolicy; policy != "Never" {
		t.Errorf("restartPolicy %s; expected Never: the logs of each attempt stay", policy)
	}
}

// The Job of the overlay for iptables is the same but for the image, NET_RAW and the lock, which the
// agents of that overlay have.
func TestCleanupOfIPTables(t *testing.T) {
	const path = "overlays/iptables/cleanup.yaml"
	want := only[*batchv1.Job](t, decode(t, Cleanup, read(t, Cleanup)))
	have := only[*batchv1.Job](t, decode(t, path, read(t, path)))
	agents := only[*appsv1.DaemonSet](t, decode(t, "overlays/iptables/daemonset.yaml",
		read(t, "overlays/iptables/daemonset.yaml")))
	with, pod := &want.Spec.Template.Spec, agents.Spec.Template.Spec
	c := &with.Containers[0]
	c.Image = strings.Replace(c.Image, "/picket:", "/picket-iptables:", 1)
	c.SecurityContext.Capabilities = pod.Containers[0].SecurityContext.Capabilities
	c.VolumeMounts, with.Volumes = pod.Containers[0].VolumeMounts, pod.Volumes
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("wanted - have +\n%s", diff)
	}
}
