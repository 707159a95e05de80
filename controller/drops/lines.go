package drops

import (
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// Line is logged packets of one second that have all in common but the port they come from.
type Line struct {
	Time    time.Time // of the first
	Chain   ruleset.ChainID
	Logged  ruleset.Logged // its addresses are not valid where there is only More
	Packets int
	More    uint64 // of the same chain, that are in no line
}

// of says whose packets a line has.
func (l Line) of() ruleset.Counted { return ruleset.Counted{Chain: l.Chain, Audited: l.Logged.Audited} }

// lineKey is what the packets of a line have in common.
type lineKey struct {
	second int64
	logged ruleset.Logged
}

// maxLines is how many lines wait for their names: about those of ten busy seconds.
const maxLines = 1024

// lines gathers packets. What there is no room for is in the counts of the kernel, so it is told as
// more packets of its chain.
type lines struct {
	byKey map[lineKey]*Line
	shown map[logName]uint64 // packets since the last take
}

// logName is how the log names a chain, and whether it denied or audited.
type logName struct {
	chain   string
	audited bool
}

// newLines returns no lines.
func newLines() *lines { return &lines{map[lineKey]*Line{}, map[logName]uint64{}} }

// add takes a packet in.
func (x *lines) add(p ruleset.Logged, now time.Time) {
	// Each attempt of a client comes from another port.
	p.FromPort = 0
	key := lineKey{now.Unix(), p}
	line := x.byKey[key]
	if line == nil {
		// A scan of ports has no line for each of them.
		if len(x.byKey) >= maxLines {
			return
		}
		line = &Line{Time: now, Logged: p}
		x.byKey[key] = line
	}
	line.Packets++
	x.shown[logName{p.Chain, p.Audited}]++
}

// take returns the lines in the order in which they began, and forgets them.
func (x *lines) take() (list []*Line, shown map[logName]uint64) {
	for _, line := range x.byKey {
		list = append(list, line)
	}
	// Maps have no order, and people read from top to bottom.
	slices.SortFunc(list, func(a, b *Line) int { return a.Time.Compare(b.Time) })
	shown = x.shown
	*x = *newLines()
	return list, shown
}
