package iptables

import (
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// role is what the members of a copy of a set can do to a packet. It says when they may come and go
// in a delta.
type role uint8

const (
	accepting role = iota // who comes opens, who goes closes
	denying               // who comes closes, who goes opens
	passing               // the members never change
)

// roleWords are the words for the roles.
var roleWords = [...]string{"accepting", "denying", "passing"}

// String is a word for the role.
func (r role) String() string { return roleWords[r] }

// parseRole reads String.
func parseRole(word string) (role, bool) {
	for r, w := range roleWords {
		if w == word {
			return role(r), true
		}
	}
	return 0, false
}

// roleOf returns the role in which a rule of a chain looks up its peers.
func roleOf(a ruleset.Action) role {
	return [...]role{ruleset.Accept: accepting, ruleset.Deny: denying, ruleset.Pass: passing}[a]
}

// frameRole returns the role in which the base chains look a set up; false: they do not.
func frameRole(id ruleset.SetID) (role, bool) {
	switch {
	case id == ruleset.Behind(id.Family), id.IsKnownPods():
		return accepting, true
	case id == ruleset.Bound(id.Family), id == ruleset.NodeAddrs(id.Family),
		id == ruleset.LocalRange(id.Family):
		return denying, true
	default:
		return 0, false
	}
}

// setCopy is a copy of a set of the program, for a role.
type setCopy struct {
	id   ruleset.SetID
	role role
}

// String is its comment in the chain that lists the copies: pods4-KEY accepting.
func (c setCopy) String() string { return c.id.String() + " " + c.role.String() }

// parseCopy reads the beginning of a comment.
func parseCopy(comment string) (c setCopy, what string, ok bool) {
	words := strings.SplitN(comment, " ", 3)
	if len(words) < 2 {
		return c, "", false
	}
	id, known := ruleset.ParseSetID(words[0])
	r, isRole := parseRole(words[1])
	if len(words) == 3 {
		what = words[2]
	}
	return setCopy{id, r}, what, known && isRole
}
