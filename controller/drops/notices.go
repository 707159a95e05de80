package drops

import "time"

// Bounds of Events: a pod gets one a minute at most, and the longer it goes on being denied the
// fewer; the node's pods together get no more than so many a minute.
const (
	noticePause     = time.Minute
	longestPause    = time.Hour
	noticesAMinute  = 6
	maxNoticedPods  = 1024
	forgetNoticedIn = 2 * longestPause
)

// Notices chooses the drops that people are told of by Events on the pod. The zero value has told
// nobody yet.
type Notices struct {
	pods   map[string]noticed
	minute time.Time
	count  int
}

// noticed is when a pod got an Event last, and how long it gets none.
type noticed struct {
	last  time.Time
	pause time.Duration
}

// Due reports whether an Event is due about a pod, and counts it as written.
func (n *Notices) Due(pod string, now time.Time) bool {
	if now.Sub(n.minute) >= time.Minute {
		n.minute, n.count = now, 0
	}
	// Whoever makes pods be denied must not fill the API server with Events.
	before, known := n.pods[pod]
	if n.count >= noticesAMinute || now.Sub(before.last) < before.pause {
		return false
	}
	// Where even that leaves no room, the pod gets no Event: the log and verbs tell of it.
	if !known && len(n.pods) >= maxNoticedPods {
		n.forget(now)
		if len(n.pods) >= maxNoticedPods {
			return false
		}
	}
	// The pause doubles for as long as it goes on.
	pause := min(max(2*before.pause, noticePause), longestPause)
	if now.Sub(before.last) > 2*before.pause {
		pause = noticePause // nothing was denied for a while
	}
	if n.pods == nil {
		n.pods = map[string]noticed{}
	}
	n.pods[pod], n.count = noticed{now, pause}, n.count+1
	return true
}

// forget forgets pods that were told long ago.
func (n *Notices) forget(now time.Time) {
	for pod, last := range n.pods {
		if now.Sub(last.last) > forgetNoticedIn {
			delete(n.pods, pod)
		}
	}
}
