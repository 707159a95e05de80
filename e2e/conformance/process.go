package main

import (
	"os"
	"os/exec"
	"time"
)

// gentle lets a suite that is interrupted remove what it made in the cluster, for two minutes.
func gentle(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Minute
}
