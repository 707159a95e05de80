package iptables

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// lender is the variable with which this test program, instead of its tests, runs a program that
// takes longer than it lives itself.
const lender = "PICKET_TEST_LENDER"

func TestMain(m *testing.M) {
	if os.Getenv(lender) != "" {
		_, err := Open(Options{}).program(context.Background(), "", "sleep", "60")
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A program that an agent has started ends with it: it would change rules behind the back of the
// next agent.
func TestProgramsEndWithTheAgent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lender+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child string
	waitFor(t, "a program runs", func() bool {
		child = childOf(cmd.Process.Pid)
		return strings.Contains(commandOf(child), "sleep")
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	waitFor(t, "it has ended", func() bool { return commandOf(child) == "" })
}

// childOf is the number of a child of a process; empty: it has none.
func childOf(process int) string {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", process))
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", process, task.Name()))
		if words := strings.Fields(string(text)); len(words) > 0 {
			return words[0]
		}
	}
	return ""
}

// commandOf is what a process runs; empty: it has ended.
func commandOf(process string) string {
	text, _ := os.ReadFile("/proc/" + process + "/cmdline")
	return string(text)
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
