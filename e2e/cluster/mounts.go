package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// settle gives the node, which is in mount, pid and uts namespaces of its own, its own view of the machine.
func (n node) settle() error {
	return errors.Join(
		unix.Sethostname([]byte(n.host.Name)),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		n.mountSys(),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""), // as containers with mount propagation want it
		n.bindFolders(),
		n.bindSysctls(),
		n.copyPlugins(),
		makeCgroups(n.host.Name),
	)
}

// mountSys mounts a fresh /sys, so that /sys/class/net is this network namespace's, and carries the control
// groups over to it.
func (n node) mountSys() error {
	aside, groups := n.path("cgroup"), "/sys/fs/cgroup"
	return errors.Join(
		os.MkdirAll(aside, 0o755),
		unix.Mount(groups, aside, "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Mount("sysfs", "/sys", "sysfs", 0, ""),
		unix.Mount(aside, groups, "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Unmount(aside, unix.MNT_DETACH),
	)
}

// folders are a node's own; the rest of the file system is the machine's.
var folders = []string{
	"/etc/cni", "/opt/cni", "/run/containerd", "/run/flannel", "/run/netns",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/log",
}

func (n node) bindFolders() error {
	for _, dir := range folders {
		own := n.path(dir)
		err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(own, 0o755), unix.Mount(own, dir, "", unix.MS_BIND, ""),
			unix.Mount("", dir, "", unix.MS_SHARED, ""))
		if err != nil {
			return fmt.Errorf("bind %s: %w", dir, err)
		}
	}
	return nil
}

// sysctls are those of the whole machine that a kubelet sets at its start.
var sysctls = map[string]string{
	"kernel/panic": "10", "kernel/panic_on_oops": "1", "vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// bindSysctls shows the kubelet plain files with the values that it wants, so that it changes nothing.
func (n node) bindSysctls() error {
	for name, value := range sysctls {
		file := n.path("sysctl", strings.ReplaceAll(name, "/", "."))
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value+"\n"), 0o644),
			unix.Mount(file, "/proc/sys/"+name, "", unix.MS_BIND, ""))
		if err != nil {
			return fmt.Errorf("bind sysctl %s: %w", name, err)
		}
	}
	return nil
}

// copyPlugins puts the CNI plugins where containerd looks for them.
func (n node) copyPlugins() error {
	for _, dir := range []string{"/opt/cni/bin", "/etc/cni/net.d"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	plugins, err := filepath.Glob("/usr/lib/cni/*")
	if err != nil || len(plugins) == 0 {
		return errors.Join(err, errors.New("no CNI plugins in /usr/lib/cni; expected the Debian package containernetworking-plugins"))
	}
	for _, plugin := range append(plugins, n.home.bin("flannel")) {
		if err := os.Symlink(plugin, filepath.Join("/opt/cni/bin", filepath.Base(plugin))); err != nil {
			return err
		}
	}
	return nil
}

// cgroupRoots are the nodes' groups: one, or one per hierarchy where the machine still has version 1.
func cgroupRoots() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup/picket"}
	}
	hierarchies, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	var roots []string
	for _, file := range hierarchies {
		roots = append(roots, filepath.Join(filepath.Dir(file), "picket"))
	}
	return roots
}

// makeCgroups makes the node's group in every hierarchy; in cpuset it must be told what its parent has.
func makeCgroups(name string) error {
	for _, root := range cgroupRoots() {
		if filepath.Base(filepath.Dir(root)) == "unified" {
			continue
		}
		for _, dir := range []string{root, filepath.Join(root, name)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				if value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file)); err == nil {
					_ = os.WriteFile(filepath.Join(dir, file), value, 0)
				}
			}
		}
	}
	return nil
}
