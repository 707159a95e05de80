package cluster

import "time"

// patience is for how long something that worked may fail before people are told: a restart of the API server
// is none of their business.
const patience = 15 * time.Second

// outages says what cannot be read or written, by subject. A subject that is not in it works.
type outages map[string]outage

// outage is of one subject.
type outage struct {
	since time.Time // zero: since ever
	why   string    // "": it was not tried yet
}

// expect notes that a subject has never worked, so that its first failure counts at once.
func (o outages) expect(subject string) { o[subject] = outage{} }

func (o outages) failed(subject string, err error, now time.Time) {
	is, failing := o[subject]
	if !failing {
		is.since = now
	}
	is.why = err.Error()
	o[subject] = is
}

func (o outages) works(subject string) { delete(o, subject) }

// complaints lists what people should know by now, and says whether some of it has never worked.
func (o outages) complaints(now time.Time) (list map[string]string, blind bool) {
	list = map[string]string{}
	for subject, is := range o {
		if is.why != "" && now.Sub(is.since) >= patience {
			list[subject] = is.why
			blind = blind || is.since.IsZero()
		}
	}
	return list, blind
}
