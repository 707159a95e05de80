package cli

import (
	"runtime/debug"
	"time"
)

// garbage is how much of it may gather beside what is in use, in percent (GOGC). Go's own is 100.
const garbage = 30

// economise gives back what the start has taken, and keeps the process small from then on. To start takes several
// times as much as to go on, and Go would keep that for minutes and then fill it again. Changes are few, so that it
// costs little to collect what they leave behind more often; a start would take 1.7 times the processor time.
func economise() {
	time.Sleep(time.Second) // lists are let go of by then
	debug.SetGCPercent(garbage)
	debug.FreeOSMemory()
}
