package main

import (
	"bufio"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/template"
	"time"
)

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*"))

// writeTemplate fills a template and writes it to a file.
func writeTemplate(name, path string, with any) error {
	var text strings.Builder
	if err := templates.ExecuteTemplate(&text, name, with); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

// writeConfig writes the files that the node's programs read.
func (n node) writeConfig() error {
	dns := []byte("nameserver 10.96.0.10\n")
	if err := os.WriteFile(n.path("resolv.conf"), dns, 0o644); err != nil {
		return err
	}
	with := map[string]any{
		"Node": n.host, "Variant": n.variant, "PodRanges": n.variant.podRanges(),
		"CA": n.home.pki("ca.crt"), "Resolv": n.path("resolv.conf"),
		"ProxyConfig": n.home.kubeconfig("proxy"), "Pause": pauseImage,
	}
	files := []string{"containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "flannel.json"}
	for _, name := range files {
		if err := writeTemplate(name, n.path(name), with); err != nil {
			return err
		}
	}
	return nil
}

// writeCNI writes the network configuration as soon as flannel has said which ranges are this
// node's. The flannel plugin of this version knows IPv4 only; with two families the bridge is
// configured here.
func (n node) writeCNI() {
	for {
		env, err := readEnv("/run/flannel/subnet.env")
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		name := "cni.conflist"
		if n.variant.Dual() {
			name = "cni-dual.conflist"
		}
		if err := writeTemplate(name, "/etc/cni/net.d/10-flannel.conflist", env); err != nil {
			fmt.Println("network configuration:", err)
		}
		return
	}
}

// readEnv reads a file of NAME=VALUE lines; a prefix is masked.
func readEnv(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	env := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		if prefix, err := netip.ParsePrefix(value); err == nil {
			value = prefix.Masked().String()
		}
		env[name] = value
	}
	return env, lines.Err()
}
