package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/strvals"
)

// install is what an installation is told: where, and values as --set of Helm has them.
type install struct {
	namespace string
	set       []string
}

// render returns the manifests that `helm install` would apply, in the order of the templates.
func (i install) render(c *chart.Chart) ([]byte, error) {
	values := map[string]any{}
	for _, text := range i.set {
		if err := strvals.ParseInto(text, values); err != nil {
			return nil, fmt.Errorf("-set %s: %w", text, err)
		}
	}
	release := common.ReleaseOptions{Name: "picket", Namespace: i.namespace, Revision: 1,
		IsInstall: true}
	whole, err := util.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, whole)
	if err != nil {
		return nil, err
	}
	return joined(files), nil
}

// joined makes one manifest of the templates that hold objects.
func joined(files map[string]string) []byte {
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := strings.Trim(files[name], "\n")
		if path.Ext(name) == ".yaml" && strings.TrimSpace(content) != "" {
			fmt.Fprintf(&text, "---\n%s\n", strings.TrimPrefix(content, "---\n"))
		}
	}
	return text.Bytes()
}

// load reads a chart, as a folder or as a package.
func load(path string) (*chart.Chart, error) {
	c, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", path, err)
	}
	return c, nil
}

// epoch is when every file of a package was made, so that the same chart gives the same bytes.
var epoch = time.Unix(0, 0).UTC()

// pack writes a chart as a package for a version of the program, and returns its path.
func pack(c *chart.Chart, version, folder string) (string, error) {
	c.Metadata.AppVersion, c.Metadata.Version = version, strings.TrimPrefix(version, "v")
	c.ModTime, c.SchemaModTime = epoch, epoch
	for _, files := range [][]*common.File{c.Raw, c.Templates, c.Files} {
		for _, file := range files {
			file.ModTime = epoch
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	return chartutil.Save(c, folder)
}
