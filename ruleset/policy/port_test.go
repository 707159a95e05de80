package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// portRanges reads "80 90-95".
func portRanges(t *testing.T, text string) []ruleset.PortRange {
	t.Helper()
	var list []ruleset.PortRange
	for _, word := range strings.Fields(text) {
		var r ruleset.PortRange
		if n, _ := fmt.Sscanf(word, "%d-%d", &r.First, &r.Last); n == 1 {
			r.Last = r.First
		}
		list = append(list, r)
	}
	return list
}

func portsText(list []ruleset.PortRange) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = r.String()
	}
	return strings.Join(words, " ")
}

func TestMergePorts(t *testing.T) {
	for _, row := range []struct{ name, of, want string }{
		{"nothing", "", ""},
		{"one", "80", "80"},
		{"the same twice", "80 80", "80"},
		{"sorted", "443 80", "80 443"},
		{"adjacent", "81 80 82", "80-82"},
		{"one apart", "80 82", "80 82"},
		{"a range and its neighbours", "79 80-90 91 93", "79-91 93"},
		{"overlapping", "85-95 80-90", "80-95"},
		{"one in another", "80-90 82 84-85", "80-90"},
		{"the same start", "80 80-85 80-82", "80-85"},
		{"the last port", "65535", "65535"},
		{"up to the last port", "65535 65534 1-65533", "1-65535"},
		{"beside the last port: no wrap to 0", "65535 1", "1 65535"},
		{"all, and one of them", "1-65535 65535", "1-65535"},
	} {
		if got := portsText(mergePorts(portRanges(t, row.of))); got != row.want {
			t.Errorf("%s: %s is %s, want %s", row.name, row.of, got, row.want)
		}
	}
}

func TestAddPorts(t *testing.T) {
	type wish struct {
		proto ruleset.Protocol
		ports string // none: every port
	}
	for _, row := range []struct {
		name string
		add  []wish
		want string
	}{
		{"one entry a protocol, in the order they came", []wish{{ruleset.UDP, "53"},
			{ruleset.TCP, "80"}, {ruleset.UDP, "54"}}, "udp 53-54, tcp 80"},
		{"every port of a protocol beats ranges before it", []wish{{ruleset.TCP, "80 90-95"},
			{ruleset.TCP, ""}}, "tcp "},
		{"every port of a protocol beats ranges after it", []wish{{ruleset.TCP, ""},
			{ruleset.TCP, "80 90-95"}}, "tcp "},
		{"it beats those of its own protocol only", []wish{{ruleset.TCP, ""}, {ruleset.SCTP, "9"},
			{ruleset.TCP, "80"}}, "tcp , sctp 9"},
		{"every port and all 65535 are not the same text", []wish{{ruleset.TCP, "1-65535"}},
			"tcp 1-65535"},
	} {
		var list []Ports
		for _, w := range row.add {
			list = addPorts(list, Ports{w.proto, portRanges(t, w.ports)})
		}
		var texts []string
		for _, p := range list {
			texts = append(texts, p.Proto.String()+" "+portsText(p.Ranges))
		}
		if got := strings.Join(texts, ", "); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
