package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// badInput writes wrong objects, one after the other. Each is reported, its pods stay isolated as
// far as it can be read, and everybody else is as before.
type badInput struct{}

func (badInput) Name() string { return "bad-input" }

func (badInput) Plan() plan { return plan{} }

func (badInput) Inject(s *testbed) error {
	cases, err := wrongObjects(s.env.source)
	if err != nil {
		return err
	}
	slices.SortFunc(cases, func(a, b wrongObject) int { return strings.Compare(a.name, b.name) })
	b := &badInputRun{testbed: s}
	if err := b.addPods(); err != nil {
		return err
	}
	step := s.times(1, 8)
	for i := 0; i < len(cases) && s.ctx.Err() == nil; i += step {
		if err := b.try(cases[i]); err != nil {
			return fmt.Errorf("%s: %w", cases[i].name, err)
		}
	}
	s.done(
		"%d wrong objects, %d of them to be reported; %d times a pod that stays isolated was tried",
		b.tried, b.told, b.denied)
	s.note("the slowest, %s, had an effect after %v", b.slowest, millis(b.longest))
	return b.server.Close()
}

// badInputRun is the work of that row.
type badInputRun struct {
	testbed             *testbed
	server              net.Listener // of bad/web
	tried, told, denied int
	slowest             string // of the objects, until it had an effect
	longest             time.Duration
}

// noteTime remembers what took longest.
func (b *badInputRun) noteTime(w wrongObject, took time.Duration) {
	if took > b.longest {
		b.slowest, b.longest = w.name, took
	}
}

// The pods that wrong objects speak of, as cmd/cli/testdata/wrong/good.yaml states them.
func badWeb() sandbox.Pod {
	return sandbox.Pod{Name: "bad/web", Node: nodeName(1), Addrs: addrs(1, 3)}
}

func otherCli() sandbox.Pod {
	return sandbox.Pod{Name: "other/cli", Node: nodeName(2), Addrs: addrs(2, 3)}
}

// addPods writes the manifests around the wrong objects, without their nodes, which are there, and
// makes two of their pods.
func (b *badInputRun) addPods() error {
	text, err := os.ReadFile(filepath.Join(b.testbed.env.source,
		"cmd/cli/testdata/wrong/good.yaml"))
	if err != nil {
		return err
	}
	documents := slices.DeleteFunc(strings.Split(string(text), "---\n"),
		func(d string) bool { return strings.Contains(d, "kind: Node\n") })
	err = errors.Join(b.testbed.folder.put("good.yaml", documents...), b.testbed.AddPod(badWeb()),
		b.testbed.AddPod(otherCli()))
	if err != nil {
		return err
	}
	err = b.testbed.InPod(badWeb().Name, func() (err error) {
		b.server, err = net.Listen("tcp", ":"+servicePort)
		return err
	})
	if err != nil {
		return err
	}
	go b.serve()
	_, err = b.testbed.await(patience, "other/cli reaches bad/web", b.reach)
	return err
}

// serve takes the connections: of those that nobody takes the kernel keeps some thousand, and then
// lets nobody in.
func (b *badInputRun) serve() {
	for {
		conn, err := b.server.Accept()
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

// reach opens a connection from other/cli to bad/web.
func (b *badInputRun) reach() error {
	return b.testbed.InPod(otherCli().Name, func() error {
		conn, err := net.DialTimeout("tcp",
			net.JoinHostPort(badWeb().Addrs[0].String(), servicePort),
			100*time.Millisecond)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// try writes a wrong object, checks what becomes of it, and takes it away.
func (b *badInputRun) try(w wrongObject) error {
	b.tried++
	if err := b.testbed.folder.put(w.file(), w.content); err != nil {
		return err
	}
	if w.told {
		b.told++
		b.expectReport(w)
	} else {
		b.testbed.sleep(100 * time.Millisecond)
	}
	if w.denied {
		b.denied++
		b.expectDenial(w)
	}
	if err := b.testbed.folder.drop(w.file()); err != nil {
		return err
	}
	_, err := b.testbed.await(patience, "all is well again", func() error {
		for _, a := range b.testbed.agents {
			if err := complaints(a); err != nil {
				return err
			}
		}
		return b.reach()
	})
	return err
}

// expectReport waits until every agent complains of something.
func (b *badInputRun) expectReport(w wrongObject) {
	for _, a := range b.testbed.agents {
		took, err := b.testbed.await(patience, "the agent of "+a.node+" complains", func() error {
			if complaints(a) == nil {
				return errors.New("it does not")
			}
			return nil
		})
		b.noteTime(w, took)
		if err != nil || !a.alive() {
			b.testbed.fault("%s: alive %t, %v", w.name, a.alive(), err)
		}
	}
}

// expectDenial waits until the pod is isolated.
func (b *badInputRun) expectDenial(w wrongObject) {
	took, err := b.testbed.await(patience, "bad/web is isolated", func() error {
		for range 3 { // one attempt can fail because the machine is busy
			if b.reach() == nil {
				return errors.New("it can be reached")
			}
		}
		return nil
	})
	b.noteTime(w, took)
	if err != nil || b.reach() == nil {
		b.testbed.ownLoss.leak++
		b.testbed.fault("%s: bad/web can be reached, %v", w.name, err)
	}
}

// complaints is an error with what an agent complains of, nil if there is nothing.
func complaints(a *agent) error {
	r, err := a.client().Readiness()
	if err == nil && len(r.Reasons)+len(r.Warnings) > 0 {
		err = fmt.Errorf("%v %v", r.Reasons, r.Warnings)
	}
	return err
}
