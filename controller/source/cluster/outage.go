package cluster

import "time"

// complaintDelay is for how long something that has worked may fail before it is a complaint: a
// restart of the API server needs nobody's attention.
const complaintDelay = 15 * time.Second

// outages are the subjects, such as a resource, that cannot be read or written now. A subject that
// is not in it works.
type outages map[string]outage

// outage is the outage of one subject.
type outage struct {
	since time.Time // zero: the subject has never worked
	err   string    // the last error; empty: nothing was tried yet
}

// expect records that a subject has never worked, so that its first failure is a complaint at once.
func (o outages) expect(subject string) { o[subject] = outage{} }

// failed records a failure at a time.
func (o outages) failed(subject string, err error, now time.Time) {
	is, failing := o[subject]
	if !failing {
		is.since = now
	}
	is.err = err.Error()
	o[subject] = is
}

// succeeded records that a subject works.
func (o outages) succeeded(subject string) { delete(o, subject) }

// complaints returns the last error of each subject that has failed for long. The state is blind if
// one of them has never worked.
func (o outages) complaints(now time.Time) (list map[string]string, blind bool) {
	list = map[string]string{}
	for subject, is := range o {
		if is.err != "" && now.Sub(is.since) >= complaintDelay {
			list[subject] = is.err
			blind = blind || is.since.IsZero()
		}
	}
	return list, blind
}
