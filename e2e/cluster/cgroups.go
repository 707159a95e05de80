package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups is where the machine mounts its control groups: one hierarchy (version 2), or a folder of
// hierarchies (version 1). In every hierarchy a node has the group picket/NAME, which is the root
// of all groups that the node sees: what it leaves behind is found and removed there.
const cgroups = "/sys/fs/cgroup"

// hierarchies returns the folders below root of all hierarchies that are mounted there.
func hierarchies(root string) []string {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{root}
	}
	files, _ := filepath.Glob(filepath.Join(root, "*", "cgroup.procs"))
	var dirs []string
	for _, file := range files {
		dirs = append(dirs, filepath.Dir(file))
	}
	return dirs
}

// enterCgroups makes the node's groups, moves this process into them, and gives this thread a
// cgroup namespace of which they are the roots.
func enterCgroups(root, name string) error {
	for _, hierarchy := range hierarchies(root) {
		dir := hierarchy
		for _, child := range []string{"picket", name} {
			if err := makeCgroup(dir, child); err != nil {
				return err
			}
			dir = filepath.Join(dir, child)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
	}
	return unix.Unshare(unix.CLONE_NEWCGROUP)
}

// makeCgroup makes a group with what its parent has: in version 1 the CPUs must be told to it, in
// version 2 controllers are handed down.
func makeCgroup(parent, child string) error {
	dir := filepath.Join(parent, child)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if value, err := os.ReadFile(filepath.Join(parent, file)); err == nil {
			_ = os.WriteFile(filepath.Join(dir, file), value, 0)
		}
	}
	for _, controller := range []string{"+cpu", "+cpuset", "+io", "+memory", "+pids"} {
		_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte(controller), 0)
	}
	return nil
}

// bindCgroups mounts the node's groups where programs look for the roots of all groups.
func bindCgroups(from, name string) error {
	if dirs := hierarchies(from); len(dirs) == 1 && dirs[0] == from {
		return unix.Mount(filepath.Join(from, "picket", name), cgroups, "", unix.MS_BIND, "")
	}
	if err := unix.Mount("tmpfs", cgroups, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	for _, e := range entries {
		own := filepath.Join(from, e.Name(), "picket", name)
		at := filepath.Join(cgroups, e.Name())
		if target, linkErr := os.Readlink(filepath.Join(from, e.Name())); linkErr == nil {
			err = errors.Join(err, os.Symlink(target, at)) // cpu -> cpu,cpuacct
			continue
		}
		err = errors.Join(err, os.Mkdir(at, 0o755), unix.Mount(own, at, "", unix.MS_BIND, ""))
	}
	return err
}

// removeCgroups removes the groups of all nodes in every hierarchy, the innermost first. A group is
// busy until the kernel has done with its processes.
func removeCgroups() {
	var dirs []string
	for _, hierarchy := range hierarchies(cgroups) {
		root := filepath.Join(hierarchy, "picket")
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
	}
	for _, dir := range slices.Backward(dirs) {
		_ = poll(context.Background(), 2*time.Second, func() error { return os.Remove(dir) })
	}
}
