package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// picketProgram is the path of the agent's binary.
func picketProgram() (string, error) {
	program := os.Getenv("PICKET")
	if program == "" {
		program = filepath.Join("..", "bin", "picket")
	}
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("%w; `make build` builds it, or the variable PICKET says where it is",
			err)
	}
	return filepath.Abs(program)
}

// render returns the table of a node for some objects as text for nft, from the agent's binary.
func render(ctx context.Context, node string, objects []any) (script string, err error) {
	return renderAs(ctx, "nft", node, objects)
}

// renderAs returns the rules of a node in a format of `picket render`.
func renderAs(
	ctx context.Context, format, node string, objects []any,
) (script string, err error) {
	program, err := picketProgram()
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp("", "picket-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	file, err := os.Create(filepath.Join(folder, "objects.json")) // YAML would take longer to read
	if err != nil {
		return "", err
	}
	encoder := json.NewEncoder(file)
	for _, o := range objects {
		err = errors.Join(err, encoder.Encode(o))
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "render", "--strict", "--node-name", node, "-o",
		format, "-f", folder)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("picket render: %w\n%s", err, &problems)
	}
	return string(out), nil
}

// renderEmpty returns the table of a node without policies.
func renderEmpty(ctx context.Context) (string, error) {
	return render(ctx, planeNode, layout{}.objects())
}

func nodeObject(name string) *corev1.Node {
	return &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: planeNodeAddr.String()},
		}},
	}
}
