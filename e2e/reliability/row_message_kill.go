package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// killPoint is the point at which an agent is about to send its n-th netlink message.
type killPoint int

// beforeAnswer is the point at which it has sent its transaction and is about to read the first
// answer.
const beforeAnswer killPoint = 0

// batches are sent until then: one claims the table, one is the transaction.
const batches = 2

// callDelay is how long calls are held up, so that the agent can be killed before they are carried
// out.
const callDelay = 5 * time.Millisecond

// tracedCalls are those that are traced, and those of them that are held up.
func (m killPoint) tracedCalls() (traced, slowed string) {
	if m == beforeAnswer {
		return "sendmsg,sendto,recvmsg", "recvmsg"
	}
	return "sendmsg,sendto", "sendmsg,sendto"
}

// startAndKill starts an agent under strace and kills it at that point, or when it becomes ready
// before that. It returns the number of messages that it was about to send.
func (m killPoint) startAndKill(a *agent) (count int, ready bool, err error) {
	lines, output, err := os.Pipe()
	if err != nil {
		return 0, false, err
	}
	defer lines.Close()
	traced, slowed := m.tracedCalls()
	err = a.startWith([]*os.File{output}, a.testbed.env.strace, "-D", "-f", "-qq", "-o",
		fmt.Sprintf("/dev/fd/%d", firstFile),
		"-e", "trace="+traced, "-e",
		fmt.Sprintf("inject=%s:delay_enter=%d", slowed, callDelay.Microseconds()))
	_ = output.Close()
	if err != nil {
		return 0, false, err
	}
	counted := make(chan int, 1)
	go func() { counted <- m.countAndKill(lines, a) }()
	_, err = a.testbed.await(patience, "the traced agent is ready or dead", func() error {
		if !a.alive() {
			return nil
		}
		return a.client().Ready()
	})
	ready = a.alive()
	a.kill()
	return <-counted, ready, err
}

// countAndKill counts the messages in what strace writes, which it does as soon as the agent asks
// the kernel for anything, and kills the agent at that point.
func (m killPoint) countAndKill(lines io.Reader, a *agent) (count int) {
	begun := 0 // batches
	for words := bufio.NewReader(lines); ; {
		word, err := words.ReadString('(')
		begun += strings.Count(word, "NFNL_MSG_BATCH_BEGIN")
		switch {
		case strings.HasSuffix(word, "sendmsg("), strings.HasSuffix(word, "sendto("):
			if count++; killPoint(count) == m {
				a.kill()
			}
		case m == beforeAnswer && begun == batches && strings.HasSuffix(word, "recvmsg("):
			a.kill()
		}
		if err != nil {
			return count
		}
	}
}
