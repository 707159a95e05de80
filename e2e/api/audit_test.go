package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// auditPolicy makes the API server write down what service accounts ask for, once they have an
// answer.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: [system:serviceaccounts]}
- {level: None}
`

// entry is a line of the audit log. A watch has one when it begins and one when it ends.
type entry struct {
	Verb, RequestURI, Stage string
	User                    struct{ Username string }
	ObjectRef               struct{ Resource, Subresource, APIGroup string }
	ResponseStatus          struct{ Code int }
}

// right is the right that the request needs.
func (e entry) right() right {
	if e.ObjectRef.Resource == "" {
		return right{Verb: e.Verb, Resource: e.RequestURI}
	}
	r := right{e.Verb, e.ObjectRef.APIGroup, e.ObjectRef.Resource}
	if e.ObjectRef.Subresource != "" {
		r.Resource += "/" + e.ObjectRef.Subresource
	}
	return r
}

func (e entry) refused() bool {
	return e.ResponseStatus.Code == 401 ||
		e.ResponseStatus.Code == 403
}

// now is the current end of the audit log.
func (s *server) now() int64 {
	info, err := os.Stat(s.Path("audit.log"))
	if err != nil {
		return 0 // nobody has asked for anything
	}
	return info.Size()
}

// asked returns what a user asked for since then. The line that is being written is left out.
func (s *server) asked(user string, since int64) ([]entry, error) {
	data, err := os.ReadFile(s.Path("audit.log"))
	if err != nil {
		return nil, err
	}
	var all []entry
	lines := bytes.Split(data[since:], []byte("\n"))
	for _, line := range lines[:len(lines)-1] {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit log: %w: %s", err, line)
		}
		if e.User.Username == user {
			all = append(all, e)
		}
	}
	return all, nil
}
