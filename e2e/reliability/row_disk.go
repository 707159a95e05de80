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

func (diskFull) Inject(s *testbed) error {
	dir := filepath.Join(s.dir, "tiny")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		s.skip("mount a tmpfs: %v", err)
		return nil
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	g, err := s.startLatencyProbe()
	if err != nil {
		return err
	}
	if err := errors.Join(s.moveLogs(dir), fill(dir), s.killAll()); err != nil {
		return err
	}
	stop := s.churn.keepChanging(50 * time.Millisecond)
	took, err := g.measureUntil(time.Now().Add(time.Duration(s.times(40, 8)) * time.Second))
	if err := errors.Join(err, s.killAll()); err != nil {
		return err
	}
	again, err := g.measureUntil(time.Now().Add(time.Duration(s.times(20, 4)) * time.Second))
	if err := errors.Join(err, stop(), g.close()); err != nil {
		return err
	}
	s.done("no room for logs, temporary files or anything else, a restart meanwhile")
	s.checkLatencies(append(took, again...))
	return s.logsAreFull()
}

// moveLogs gives the agents that start from now on logs in a folder, which fill their last page,
// and nowhere else to work in.
func (s *testbed) moveLogs(dir string) error {
	for _, a := range s.agents {
		log, err := os.OpenFile(filepath.Join(dir, a.node+".log"),
			os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		_ = a.log.Close()
		a.log, a.dir = log, dir
		if _, err := log.Write(make([]byte, os.Getpagesize())); err != nil {
			return err
		}
	}
	return nil
}

// logsAreFull looks whether nothing could be written, as it was meant.
func (s *testbed) logsAreFull() error {
	for _, a := range s.agents {
		info, err := a.log.Stat()
		if err != nil {
			return err
		}
		if more := int(info.Size()) - os.Getpagesize(); more > 0 {
			s.fault("there was room for %d bytes in the log of %s", more, a.node)
		}
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
