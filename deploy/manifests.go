package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	// Rendered is the file that holds the overlay RenderedFrom, for those who want one file and no
	// kustomize.
	Rendered     = "picket.yaml"
	RenderedFrom = "overlays/flannel"
	// Cleanup is the Job that removes the rules from one node.
	Cleanup = "cleanup.yaml"
	// Alerts is a file of Prometheus' rules, PrometheusRule the same for the Prometheus Operator.
	Alerts         = "alerts/picket.yaml"
	PrometheusRule = "overlays/monitoring/prometheusrule.yaml"
	// Dashboard is Grafana's, ClusterRole what the agent may ask the API for.
	Dashboard   = "dashboard/picket.json"
	ClusterRole = "base/clusterrole.yaml"
	// ChartFiles is the folder of what the Helm chart takes from here: a chart is one folder.
	ChartFiles = "chart/files"
)

// Image returns what base/kustomization.yaml in this folder calls the image, as name:tag.
func Image(folder string) (string, error) {
	path := filepath.Join(folder, "base", "kustomization.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w; expected to run in the folder deploy", err)
	}
	var k types.Kustomization
	if err := k.Unmarshal(text); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if len(k.Images) != 1 || k.Images[0].Name == "" || k.Images[0].NewTag == "" {
		return "", fmt.Errorf("%s: images: %+v; expected one, with name and newTag", path, k.Images)
	}
	return k.Images[0].Name + ":" + k.Images[0].NewTag, nil
}

// Render returns what kubectl apply -k would send for a kustomization.
func Render(folder string) ([]byte, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(),
		folder)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", folder, err)
	}
	return resources.AsYaml()
}

const header = "# Rendered from " + RenderedFrom +
	" by: go run ./render\n# Change it there; base says why everything is as it is.\n"

// imageLine is what names the image of a container; kustomize would lose the comments around it.
var imageLine = regexp.MustCompile(`(?m)^( +image: ).*$`)

// Files returns what the files that are made from others must hold, by name.
func Files(folder string) (map[string][]byte, error) {
	rendered, err := Render(filepath.Join(folder, RenderedFrom))
	if err != nil {
		return nil, err
	}
	image, err := Image(folder)
	if err != nil {
		return nil, err
	}
	job, err := os.ReadFile(filepath.Join(folder, Cleanup))
	if err != nil {
		return nil, err
	}
	alerts, err := os.ReadFile(filepath.Join(folder, Alerts))
	if err != nil {
		return nil, err
	}
	files, err := chartFiles(folder, alerts)
	if err != nil {
		return nil, err
	}
	files[Rendered] = append([]byte(header), rendered...)
	files[Cleanup] = imageLine.ReplaceAll(job, []byte("${1}"+image))
	files[PrometheusRule] = prometheusRule(alerts)
	return files, nil
}

// rulesOfRole is what stands in a ClusterRole from its rules on.
var rulesOfRole = regexp.MustCompile(`(?sm)^rules:.*`)

// chartFiles returns the copies that the chart has of what is stated elsewhere.
func chartFiles(folder string, alerts []byte) (map[string][]byte, error) {
	dashboard, err := os.ReadFile(filepath.Join(folder, Dashboard))
	if err != nil {
		return nil, err
	}
	role, err := os.ReadFile(filepath.Join(folder, ClusterRole))
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		ChartFiles + "/dashboard.json": dashboard,
		ChartFiles + "/rules.yaml":     rulesOfRole.Find(role),
		ChartFiles + "/alerts.yaml":    groupsOf(alerts),
	}, nil
}

const ruleHeader = "# Made from " + Alerts + ` by: go run ./render
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: picket
spec:
`

var (
	// ruleComment is what stands above the rules in their file.
	ruleComment = regexp.MustCompile(`(?s)^.*?(\ngroups:)`)
	lineOfText  = regexp.MustCompile(`(?m)^(.+)$`)
)

// groupsOf returns a file of rules without the comment above them.
func groupsOf(rules []byte) []byte { return ruleComment.ReplaceAll(rules, []byte("$1"))[1:] }

// prometheusRule makes an object of a file of rules: the same text, further to the right.
func prometheusRule(rules []byte) []byte {
	return append([]byte(ruleHeader), lineOfText.ReplaceAll(groupsOf(rules), []byte("  $1"))...)
}
