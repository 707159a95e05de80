//go:build linux

package cli

import (
	"runtime/debug"
	"time"
)

// garbagePercent is how much garbage may gather, in percent of what is in use (GOGC). Go's own
// value is 100.
const garbagePercent = 30

// limitMemory returns to the system what the start of the agent has used, and keeps the process
// small from then on. A start needs several times as much memory as the work after it; Go would
// keep that memory for minutes and then fill it again. Changes are few after the start, so it costs
// little to collect their garbage more often; during the start it would cost 1.7 times the
// processor time.
func limitMemory() {
	time.Sleep(time.Second) // by then nobody holds the lists of the start any more
	// The percentage comes first, so that what is freed is not taken again.
	debug.SetGCPercent(garbagePercent)
	debug.FreeOSMemory()
}
