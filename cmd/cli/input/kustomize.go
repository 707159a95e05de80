package input

import (
	"fmt"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/picket-project/picket/controller/source/manifests"
)

// buildAll builds kustomizations as kubectl kustomize does: files that they name must lie in their
// folders, no plugin of theirs is run, and what they name elsewhere is fetched, by HTTP or by git.
func buildAll(folders []string) ([]manifests.Text, error) {
	var built []manifests.Text
	for _, folder := range folders {
		resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
			Run(filesys.MakeFsOnDisk(), folder)
		if err != nil {
			return nil, fmt.Errorf("--kustomize %s: %w", folder, err)
		}
		text, err := resources.AsYaml()
		if err != nil {
			return nil, fmt.Errorf("--kustomize %s: %w", folder, err)
		}
		built = append(built, manifests.Text{Name: "kustomization " + folder, YAML: text})
	}
	return built, nil
}
