package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// diskFull leaves the agents no room in the file system that they work in and write their logs to.
type diskFull struct{}

func (diskFull) Name() string { return "disk-full" }

func (diskFull) Plan() plan { return plan{} }

func (diskFull) Inject(s *scene) error {
	dir := filepath.Join(s.dir, "tiny")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		s.skip("mount a tmpfs: %v", err)
		return nil
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	g, err := s.openGate()
	if err != nil {
		return err
	}
	if err := errors.Join(s.moveInto(dir), fill(dir)); err != nil {
		return err
	}
	stop := s.churn.keep(50 * time.Millisecond)
	took, err := g.shutUntil(time.Now().Add(time.Duration(s.times(40, 8)) * time.Second))
	if err := errors.Join(err, s.killAll()); err != nil {
		return err
	}
	again, err := g.shutUntil(time.Now().Add(time.Duration(s.times(20, 4)) * time.Second))
	if err := errors.Join(err, stop(), g.close()); err != nil {
		return err
	}
	s.done("no room for logs, temporary files or anything else, a restart meanwhile")
	s.judgeShut(append(took, again...))
	return s.moveOut(dir)
}

// moveInto restarts the agents with their logs and everything else in a folder.
func (s *scene) moveInto(dir string) error {
	for _, a := range s.agents {
		log, err := os.Create(filepath.Join(dir, a.node+".log"))
		if err != nil {
			return err
		}
		_ = a.log.Close()
		a.kill()
		a.log, a.dir = log, dir
		if err := errors.Join(a.start(), a.awaitReady(patience)); err != nil {
			return err
		}
	}
	return nil
}

// moveOut gives their logs back to those agents, who must have lost some of it.
func (s *scene) moveOut(dir string) error {
	for _, a := range s.agents {
		info, err := a.log.Stat()
		if err != nil {
			return err
		}
		before := info.Size()
		if _, err := a.log.Write(make([]byte, 1<<16)); !errors.Is(err, unix.ENOSPC) {
			s.fault("there is room in %s: %v", dir, err)
		}
		s.note("the log of %s ends after %d bytes", a.node, before)
	}
	return nil
}

// fill writes until there is no room.
func fill(dir string) error {
	file, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		return err
	}
	defer file.Close()
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
	}
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}
