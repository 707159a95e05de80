package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/deploy"
)

const folder = "../chart"

func loaded(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// object is a Kubernetes object as plain values.
type object = map[string]any

// objects returns those of a manifest by kind and name.
func objects(t *testing.T, manifest []byte) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, text := range regexp.MustCompile(`(?m)^---$`).Split(string(manifest), -1) {
		var o object
		if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(o) > 0 {
			all[o["kind"].(string)+" "+o["metadata"].(object)["name"].(string)] = o
		}
	}
	return all
}

// rendered returns what Helm would apply with some values.
func rendered(t *testing.T, set ...string) map[string]object {
	t.Helper()
	text, err := install{"kube-system", set}.render(loaded(t))
	if err != nil {
		t.Fatalf("%q: %v", set, err)
	}
	return objects(t, text)
}

// At its defaults the chart is picket.yaml, and with the values of an overlay that overlay.
func TestChartIsWhatTheOverlaysAre(t *testing.T) {
	for _, c := range []struct {
		overlay string
		set     []string
	}{
		{"flannel", nil},
		{"k3s", nil},
		{"iptables", []string{"iptables.enabled=true",
			"iptables.tag=" + loaded(t).Metadata.AppVersion}},
		{"node-address", []string{"metrics.nodeAddress=true"}},
		{"monitoring", []string{"metrics.nodeAddress=true", "metrics.podMonitor.enabled=true",
			"metrics.prometheusRule.enabled=true"}},
	} {
		want, err := deploy.Render(filepath.Join("..", "overlays", c.overlay))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(objects(t, want), rendered(t, c.set...)); diff != "" {
			t.Errorf("overlays/%s (-) and the chart (+) with %q:\n%s", c.overlay, c.set, diff)
		}
	}
	shipped, err := os.ReadFile("../" + deploy.Rendered)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(objects(t, shipped), rendered(t)); diff != "" {
		t.Errorf("%s (-) and the chart (+):\n%s", deploy.Rendered, diff)
	}
}

// lint.RunAll is what `helm lint` runs.
func TestChartIsWithoutFindings(t *testing.T) {
	for _, values := range []object{{}, {"metrics": object{"nodeAddress": true,
		"podMonitor": object{"enabled": true}, "prometheusRule": object{"enabled": true},
		"dashboard": object{"enabled": true}}, "iptables": object{"enabled": true, "tag": "v1"}}} {
		found := lint.RunAll(folder, values, "kube-system")
		for _, message := range found.Messages {
			if message.Severity > support.InfoSev {
				t.Error(message)
			}
		}
	}
}

// agentFlags returns the flags of `picket agent`, as its help lists them.
func agentFlags(t *testing.T) (names []string) {
	t.Helper()
	cmd := exec.Command("go", "run", "./cmd/agent", "agent", "--help")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	help, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`).FindAllSubmatch(help, -1) {
		if name := string(m[1]); name != "help" {
			names = append(names, name)
		}
	}
	if len(names) < 10 {
		t.Fatalf("flags %q in\n%s", names, help)
	}
	return names
}

// Each flag of the agent has a value, with a word in values.yaml, and no other flag has.
func TestEveryFlagHasAValue(t *testing.T) {
	var schema struct {
		Properties struct {
			Flags struct{ Properties map[string]any }
		}
	}
	if err := yaml.Unmarshal(loaded(t).Schema, &schema); err != nil {
		t.Fatal(err)
	}
	values, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	flags, known := agentFlags(t), schema.Properties.Flags.Properties
	for _, name := range flags {
		if known[name] == nil {
			t.Errorf("values.schema.json: properties.flags has no %s", name)
		}
		if !regexp.MustCompile(`#.*[ ,]` + name + `[:,]`).Match(values) {
			t.Errorf("values.yaml does not say what flags.%s is by default", name)
		}
	}
	for name := range known {
		if !slices.Contains(flags, name) {
			t.Errorf("values.schema.json has flag %s; the agent has none", name)
		}
	}
}

// agentOf returns the container of the DaemonSet.
func agentOf(t *testing.T, all map[string]object) object {
	t.Helper()
	spec := all["DaemonSet picket"]["spec"].(object)["template"].(object)["spec"].(object)
	return spec["containers"].([]any)[0].(object)
}

// Values become flags, and the probes and the port follow the address.
func TestValuesOfFlags(t *testing.T) {
	agent := agentOf(t, rendered(t, "flags.unknown-pods=deny", "flags.own-table=false",
		"flags.manifests={/a,/b}", "flags.health-addr=[::1]:9999"))
	want := []any{"agent", "--health-addr=[::1]:9999", "--manifests=/a", "--manifests=/b",
		"--own-table=false", "--unknown-pods=deny"}
	if diff := cmp.Diff(want, agent["args"]); diff != "" {
		t.Error(diff)
	}
	for _, probe := range []string{"livenessProbe", "readinessProbe"} {
		get := agent[probe].(object)["httpGet"].(object)
		if get["host"] != "::1" || get["port"] != 9999.0 {
			t.Errorf("%s asks %v", probe, get)
		}
	}
	agent = agentOf(t, rendered(t, "metrics.nodeAddress=true", "flags.health-addr=:9999"))
	get := agent["readinessProbe"].(object)["httpGet"].(object)
	port := agent["ports"].([]any)[0].(object)
	if get["host"] != nil || get["port"] != 9999.0 || port["hostPort"] != 9999.0 {
		t.Errorf("the probe asks %v, the port is %v", get, port)
	}
}

// The other values that change the DaemonSet, a line each.
func TestValuesOfTheDaemonSet(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	for set, want := range map[string]string{
		"image.tag=v9":                   "image: ghcr.io/picket-project/picket:v9",
		"image.digest=" + digest:         "image: ghcr.io/picket-project/picket@" + digest,
		"image.pullPolicy=Always":        "imagePullPolicy: Always",
		"imagePullSecrets[0].name=s":     "imagePullSecrets:\n- name: s",
		"tolerations=null":               "",
		"nodeSelector.disk=ssd":          "disk: ssd",
		"priorityClassName=other":        "priorityClassName: other",
		"podAnnotations.a=b":             "annotations:\n",
		"podLabels.team=net":             "team: net",
		"resources.limits.memory=1Gi":    "memory: 1Gi",
		"goMemLimit=900MiB":              "value: 900MiB",
		"maxUnavailable=3":               "maxUnavailable: 3",
		"minReadySeconds=30":             "minReadySeconds: 30",
		"env[0].name=KUBERNETES_PORT":    "- name: KUBERNETES_PORT",
		"volumes[0].name=kubeconfig":     "volumes:\n",
		"volumeMounts[0].mountPath=/etc": "mountPath: /etc",
	} {
		text, err := yaml.Marshal(rendered(t, set)["DaemonSet picket"])
		if err != nil {
			t.Fatal(err)
		}
		lines := regexp.MustCompile(`(?m)^ +`).ReplaceAll(text, nil)
		if !bytes.Contains(lines, []byte(want)) {
			t.Errorf("%s: expected %q in\n%s", set, want, text)
		}
		if has := bytes.Contains(lines, []byte("tolerations:")); has != (set != "tolerations=null") {
			t.Errorf("%s: tolerations are there: %v", set, has)
		}
	}
}

// The image with the programs of iptables has a tag and a digest of its own.
func TestImageOfIPTables(t *testing.T) {
	own, others := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	for set, want := range map[string]string{
		"iptables.tag=v9":        "ghcr.io/picket-project/picket-iptables:v9",
		"iptables.digest=" + own: "ghcr.io/picket-project/picket-iptables@" + own,
		"iptables.tag=v9,iptables.repository=registry.example/picket": "registry.example/picket:v9",
	} {
		agent := agentOf(t, rendered(t, "iptables.enabled=true", "image.digest="+others,
			"image.tag=v8", set))
		if agent["image"] != want {
			t.Errorf("%s: image %v; expected %s", set, agent["image"], want)
		}
	}
}

// A namespace whose name is a number in YAML stays a text.
func TestNamespaceIsAText(t *testing.T) {
	text, err := install{"1234", []string{"metrics.nodeAddress=true",
		"metrics.podMonitor.enabled=true", "metrics.prometheusRule.enabled=true",
		"metrics.dashboard.enabled=true"}}.render(loaded(t))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for name, o := range objects(t, text) {
		places := []any{o["metadata"]}
		if subjects, has := o["subjects"].([]any); has {
			places = append(places, subjects...)
		}
		for _, place := range places {
			if ns, has := place.(object)["namespace"]; has && ns != "1234" {
				t.Errorf("%s: namespace %v of type %T", name, ns, ns)
			} else if has {
				named++
			}
		}
	}
	if named != 6 {
		t.Errorf("%d objects name the namespace; expected 6", named)
	}
}

// The dashboard is the file that is shipped beside, under the label that Grafana's sidecar looks
// for.
func TestDashboard(t *testing.T) {
	o := rendered(t, "metrics.dashboard.enabled=true")["ConfigMap picket-dashboard"]
	want, err := os.ReadFile("../" + deploy.Dashboard)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := o["data"].(object)["picket.json"].(string)
	if strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
		t.Errorf("the ConfigMap holds %q", got)
	}
	if labels := o["metadata"].(object)["labels"].(object); labels["grafana_dashboard"] != "1" {
		t.Errorf("labels %v", labels)
	}
}

// What is no value, or can't work, is refused with the value's name.
func TestWrongValues(t *testing.T) {
	for set, want := range map[string]string{
		"flags.unknown-pod=deny": "unknown-pod",
		"flags.deny=forget":      "deny",
		"flags.own-table=maybe":  "own-table",
		"metrics.podMonitor.enabled=true": "metrics.podMonitor.enabled: Prometheus can't reach an " +
			"agent on the node's loopback; expected metrics.nodeAddress=true",
		"metrics.prometheusRule.enabled=true": "metrics.prometheusRule.enabled: Prometheus can't " +
			"reach an agent on the node's loopback; expected metrics.nodeAddress=true",
		"iptables.enabled=true":  "expected iptables.tag or iptables.digest",
		"flags.backend=iptables": "expected iptables.enabled=true",
		"iptables.digest=latest": "digest",
		"image.digest=latest":    "digest",
		"monitoring=true":        "monitoring",
		"maxUnavailable=0":       "maxUnavailable",
		"goMemLimit=much":        "goMemLimit",
		"flags":                  "-set flags",
	} {
		text, err := install{"kube-system", []string{set}}.render(loaded(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; expected an error with %q\n%s", set, err, want, text)
		}
	}
}

// The chart is of the version that the manifests install.
func TestChartVersion(t *testing.T) {
	image, err := deploy.Image("..")
	if err != nil {
		t.Fatal(err)
	}
	_, tag, _ := strings.Cut(image, ":")
	if m := loaded(t).Metadata; m.AppVersion != tag || "v"+m.Version != tag {
		t.Errorf("Chart.yaml: version %s, appVersion %s; expected those of %s", m.Version,
			m.AppVersion, tag)
	}
}

// A package is the same each time, holds the chart, and has the version that it was made for.
func TestPack(t *testing.T) {
	var packages [][]byte
	for range 2 {
		path, err := pack(loaded(t), "v1.2.3-rc.1", filepath.Join(t.TempDir(), "new"))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) != "picket-1.2.3-rc.1.tgz" {
			t.Errorf("package %s", path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, text)
		c, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := install{"kube-system", nil}.render(c)
		if err != nil {
			t.Fatal(err)
		}
		agent := agentOf(t, objects(t, manifest))
		if agent["image"] != "ghcr.io/picket-project/picket:v1.2.3-rc.1" {
			t.Errorf("image %v", agent["image"])
		}
	}
	if !bytes.Equal(packages[0], packages[1]) {
		t.Error("two packages of the same chart differ")
	}
}

// The commands say what they expect.
func TestCommands(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"render", "-chart", folder, "-set", "flags.deny=reject"}, &out); err != nil ||
		!strings.Contains(out.String(), "--deny=reject") {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, args := range [][]string{nil, {"install"}, {"pack", "-chart", folder},
		{"render", "-chart", "/nowhere"}} {
		if err := run(args, &out); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// Values that the operators' page names are those of the chart.
func TestDocumentedValuesExist(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Helm\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var schema object
	if err := yaml.Unmarshal(loaded(t).Schema, &schema); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, row := range regexp.MustCompile(`(?m)^\| .*$`).FindAllString(section, -1) {
		first, _, _ := strings.Cut(row[2:], " | ")
		for _, span := range regexp.MustCompile("`([^`=]+)[^`]*`").FindAllStringSubmatch(first, -1) {
			found++
			if !hasValue(schema, strings.Split(span[1], ".")) {
				t.Errorf("README.md names the value %s; the chart has none", span[1])
			}
		}
	}
	if found < 8 {
		t.Errorf("%d values in\n%s", found, section)
	}
}

// hasValue reports whether a schema has a value; NAME is any.
func hasValue(schema object, path []string) bool {
	properties, _ := schema["properties"].(object)
	if path[0] == "NAME" {
		return len(properties) > 0
	}
	next, ok := properties[path[0]].(object)
	return ok && (len(path) == 1 || hasValue(next, path[1:]))
}
