package agent

import "time"

const (
	// StatusPath is the path of Status.
	StatusPath = "/v1/status"
	// PolicyQuery names the one policy, namespace/name, that the Status is to be about: others, and
	// other programs, are left out then.
	PolicyQuery = "policy"
	// MetricsPath is the path of the agent's metrics, as Prometheus reads them.
	MetricsPath = "/v1/metrics"
)

// Status is what an agent says of itself, and of the policies that its kernel holds.
type Status struct {
	API       int       `json:"api"`
	Version   string    `json:"version"` // of the agent
	Node      string    `json:"node"`
	Kernel    string    `json:"kernel"` // its version
	Started   time.Time `json:"started"`
	Readiness Readiness `json:"readiness"`
	// NotReadySince is when the agent ceased to be ready; zero: it is.
	NotReadySince time.Time `json:"notReadySince"`
	Committed     time.Time `json:"committed"` // when the rules last changed; zero: never
	Repairs       int       `json:"repairs"`   // of rules that somebody else had changed
	Pods          int       `json:"pods"`      // of this node
	// Silence is for how long the API server has said nothing of each kind of object that is watched;
	// it says something about every minute. Empty: the state is of files, or the agent of before.
	Silence  map[string]time.Duration `json:"silence,omitempty"`
	Policies []Revision               `json:"policies"` // sorted
	// Others are signs of other programs that enforce policies here.
	Others []string `json:"others,omitempty"`
	// OthersUnknown is what could not be looked at for such signs, and why.
	OthersUnknown []string `json:"othersUnknown,omitempty"`
}

// Readiness is what /readyz of the agent answers.
type Readiness struct {
	Ready       bool              `json:"ready"`
	Reasons     map[string]string `json:"reasons,omitempty"`
	Warnings    map[string]string `json:"warnings,omitempty"`
	Pending     map[string]string `json:"pending,omitempty"`
	Table       string            `json:"table,omitempty"`
	Backend     string            `json:"backend,omitempty"`
	Because     string            `json:"because,omitempty"`
	KernelLacks []string          `json:"kernelLacks,omitempty"`
}

// Revision is the version of a policy that a kernel holds.
type Revision struct {
	Policy          string        `json:"policy"`     // namespace/name
	Generation      int64         `json:"generation"` // 0: none is in force, or it is of a file
	UID             string        `json:"uid"`        // of the object
	ResourceVersion string        `json:"resourceVersion"`
	Since           time.Time     `json:"since"`
	After           time.Duration `json:"after"` // since the agent had heard of it
	Waiting         int64         `json:"waiting,omitempty"`
	Problem         string        `json:"problem,omitempty"`
}

// Policy returns the revision of a policy; without one the zero value.
func (s *Status) Policy(name string) (r Revision, known bool) {
	for _, r := range s.Policies {
		if r.Policy == name {
			return r, true
		}
	}
	return r, false
}
