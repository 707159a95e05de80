package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// separate gives the node, which is in mount, pid and uts namespaces of its own, its own view of
// the machine. The control groups are this thread's alone: programs are to be started from it.
func (n node) separate() error {
	return errors.Join(
		unix.Sethostname([]byte(n.host.Name)),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		n.mountSys(),
		// as containers with mount propagation want it
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""),
		n.bindFolders(),
		n.bindSysctls(),
		n.copyPlugins(),
	)
}

// mountSys mounts a fresh /sys, so that /sys/class/net is this network namespace's, with the node's
// own control groups in it.
func (n node) mountSys() error {
	aside := n.path("cgroup")
	return errors.Join(
		os.MkdirAll(aside, 0o755),
		unix.Mount(cgroups, aside, "", unix.MS_BIND|unix.MS_REC, ""),
		enterCgroups(aside, n.host.Name),
		unix.Mount("sysfs", "/sys", "sysfs", 0, ""),
		bindCgroups(aside, n.host.Name),
		unix.Unmount(aside, unix.MNT_DETACH),
	)
}

// folders are a node's own; the rest of the file system is the machine's.
var folders = []string{
	"/etc/cni", "/opt/cni", "/run/containerd", "/run/flannel", "/run/netns", "/run/nri",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/log",
}

func (n node) bindFolders() error {
	for _, dir := range folders {
		own := n.path(dir)
		err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(own, 0o755),
			unix.Mount(own, dir, "", unix.MS_BIND, ""), unix.Mount("", dir, "", unix.MS_SHARED, ""))
		if err != nil {
			return fmt.Errorf("bind %s: %w", dir, err)
		}
	}
	return nil
}

// sysctls are those of the whole machine that a kubelet sets at its start.
var sysctls = map[string]string{
	"kernel/panic": "10", "kernel/panic_on_oops": "1",
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// bindSysctls shows the kubelet plain files with the values that it wants, so that it changes
// nothing.
func (n node) bindSysctls() error {
	for name, value := range sysctls {
		file := n.path("sysctl", strings.ReplaceAll(name, "/", "."))
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755),
			os.WriteFile(file, []byte(value+"\n"), 0o644),
			unix.Mount(file, "/proc/sys/"+name, "", unix.MS_BIND, ""))
		if err != nil {
			return fmt.Errorf("bind sysctl %s: %w", name, err)
		}
	}
	return nil
}

// copyPlugins links the CNI plugins to where containerd looks for them.
func (n node) copyPlugins() error {
	for _, dir := range []string{"/opt/cni/bin", "/etc/cni/net.d"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	plugins, err := filepath.Glob(n.home.pluginDir(n.variant) + "/*")
	if err != nil || len(plugins) == 0 {
		return errors.Join(err, fmt.Errorf("no CNI plugins in %s", n.home.pluginDir(n.variant)))
	}
	for _, plugin := range append(plugins, n.home.path("cni", "flannel")) {
		link := filepath.Join("/opt/cni/bin", filepath.Base(plugin))
		if err := os.Symlink(plugin, link); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
