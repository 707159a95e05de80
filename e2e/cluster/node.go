package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// runNode is the first process of a node: it builds the node's own view of the file system, starts
// its programs and is the parent of what they leave behind, until it is killed; then the kernel
// ends all of them.
func runNode(h home, name string) error {
	runtime.LockOSThread() // whose control groups the programs inherit
	s, err := h.state()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.Variant.nodes(), func(n host) bool { return n.Name == name })
	if i < 0 || os.Getpid() != 1 {
		return fmt.Errorf("%s: expected a node's name and to be its first process; run: cluster up",
			name)
	}
	n := node{home: h, variant: s.Variant, host: s.Variant.nodes()[i]}
	if err := n.separate(); err != nil {
		return err
	}
	if err := errors.Join(n.writeConfig(), os.Setenv("PATH", h.searchPath(n.variant))); err != nil {
		return err
	}
	go n.writeCNI()
	return n.supervise(map[int]program{})
}

// node is a host with a kubelet, seen from inside of it.
type node struct {
	home    home
	variant variant
	host    host
}

func (n node) path(parts ...string) string {
	return n.home.run(append([]string{n.host.Name}, parts...)...)
}

// addresses are the node's, as --node-ip wants them.
func (n node) addresses() string { return n.variant.join(n.host.ip4(), n.host.ip6()) }

// programs are what runs on a node, in the order of starting.
func (n node) programs() []program {
	return []program{
		{"containerd", "containerd", []string{"--config=" + n.path("containerd.toml")}},
		{"images", "/bin/sh", []string{"-c", importImages, "images", n.home.path("images")}},
		{"flanneld", n.home.bin("flanneld"), []string{
			"--kube-subnet-mgr", "--kubeconfig-file=" + n.home.kubeconfig("admin"),
			"--net-config-path=" + n.path("flannel.json"), "--iface=eth0", "--ip-masq"}},
		{"kube-proxy", n.home.bin("kube-proxy"), []string{"--config=" + n.path("kube-proxy.yaml")}},
		{"kubelet", n.home.bin("kubelet"), []string{
			"--config=" + n.path("kubelet.yaml"), "--kubeconfig=" + n.home.kubeconfig(n.host.Name),
			"--hostname-override=" + n.host.Name, "--node-ip=" + n.addresses(),
			"--cert-dir=" + n.path("kubelet-pki")}},
	}
}

// importImages gives containerd the images, once it answers.
const importImages = `until ctr version >/dev/null 2>&1; do sleep 0.1; done
for archive in "$1"/*.tar; do ctr --namespace k8s.io images import "$archive"; done`

// supervise starts the node's programs, and each again that fails, and reaps whatever else ends.
func (n node) supervise(running map[int]program) error {
	for _, p := range n.programs() {
		if err := n.launch(running, p); err != nil {
			return err
		}
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		p, ours := running[pid]
		delete(running, pid)
		if !ours || status.ExitStatus() == 0 {
			continue
		}
		at := time.Now().Format(time.TimeOnly)
		fmt.Printf("%s %s ended (%v); it is started again\n", at, p.name, status)
		time.Sleep(time.Second)
		if err := n.launch(running, p); err != nil {
			return err
		}
	}
}

// launch starts a program whose output goes to its log.
func (n node) launch(running map[int]program, p program) error {
	path, err := exec.LookPath(p.path)
	if err != nil {
		return err
	}
	name := n.home.log(n.host.Name + "-" + p.name)
	log, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	started, err := os.StartProcess(path, append([]string{path}, p.args...), &os.ProcAttr{
		Files: []*os.File{null, log, log},
		Env:   append(os.Environ(), "NODE_NAME="+n.host.Name), // by which flannel knows where it is
	})
	if err != nil {
		return err
	}
	running[started.Pid] = p
	return nil
}
