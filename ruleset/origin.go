package ruleset

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Origin is the part of a policy that a rule comes from. The zero value stands for what is always
// allowed: a pod may reach itself.
type Origin struct {
	Policy    string // namespace/name
	Direction Direction
	Rule      int // index in spec.ingress or spec.egress
}

// Compare orders origins by policy, direction and rule.
func (o Origin) Compare(p Origin) int {
	return cmp.Or(
		cmp.Compare(o.Policy, p.Policy), cmp.Compare(o.Direction, p.Direction),
		cmp.Compare(o.Rule, p.Rule),
	)
}

// String is the form that comments show: default/allow-dns egress[0].
func (o Origin) String() string { return string(ReasonOf([]Origin{o})) }

// Reason is a list of origins as a text, so that values which hold one can be compared:
// "default/allow-dns egress[0,2-5], default/web egress[1]". The zero value has no origins.
type Reason string

// itself is the text of the zero Origin.
const itself = "itself"

// ReasonOf writes sorted origins as a text. The rules of one policy stand behind its name together.
func ReasonOf(origins []Origin) Reason {
	var b strings.Builder
	for len(origins) > 0 {
		n := 1
		for n < len(origins) && samePart(origins[n], origins[0]) {
			n++
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		writeGroup(&b, origins[:n])
		origins = origins[n:]
	}
	return Reason(b.String())
}

// samePart reports whether two origins are of one policy and direction.
func samePart(a, b Origin) bool { return a.Policy == b.Policy && a.Direction == b.Direction }

// writeGroup writes the origins in one policy and direction.
func writeGroup(b *strings.Builder, origins []Origin) {
	if origins[0].Policy == "" {
		b.WriteString(itself)
		return
	}
	b.WriteString(origins[0].Policy + " " + origins[0].Direction.String() + "[")
	for i := 0; i < len(origins); {
		first, last := origins[i].Rule, origins[i].Rule
		for i++; i < len(origins) && origins[i].Rule <= last+1; i++ {
			last = origins[i].Rule
		}
		b.WriteString(strconv.Itoa(first))
		if last > first {
			b.WriteString("-" + strconv.Itoa(last))
		}
		if i < len(origins) {
			b.WriteByte(',')
		}
	}
	b.WriteByte(']')
}

// Origins reads the list back. What is no origin, such as the end of an abbreviation, is left out.
func (r Reason) Origins() []Origin {
	var origins []Origin
	for _, group := range r.groups() {
		origins = append(origins, parseGroup(group)...)
	}
	return origins
}

// groups splits the text into one part for each policy and direction.
func (r Reason) groups() []string {
	if r == "" {
		return nil
	}
	return strings.Split(string(r), ", ")
}

// parseGroup reads the origins in one policy and direction, as writeGroup writes them; what is not
// such a text is left out.
func parseGroup(text string) (origins []Origin) {
	if text == itself {
		return []Origin{{}}
	}
	policy, rest, _ := strings.Cut(text, " ")
	word, list, _ := strings.Cut(strings.TrimSuffix(rest, "]"), "[")
	d, err := ParseDirection(word)
	if err != nil {
		return nil
	}
	for run := range strings.SplitSeq(list, ",") {
		first, last, ok := parseRun(run)
		for rule := first; ok && rule <= last; rule++ {
			origins = append(origins, Origin{policy, d, rule})
		}
	}
	return origins
}

// maxRule is far more than the rules of any policy, so that no text makes parseGroup endless.
const maxRule = 1 << 20

// parseRun reads "3" or "3-7".
func parseRun(text string) (first, last int, ok bool) {
	from, to, several := strings.Cut(text, "-")
	first, err := strconv.Atoi(from)
	last = first
	if several && err == nil {
		last, err = strconv.Atoi(to)
	}
	return first, last, err == nil && 0 <= first && first <= last && last < maxRule
}

// Abbreviated returns a reason of at most limit bytes: as many policies as there is room for and
// the number of the other origins, or the beginning of the first policy.
func (r Reason) Abbreviated(limit int) Reason {
	if len(r) <= limit {
		return r
	}
	short, shown, others := r[:limit-len(clipped)]+clipped, "", len(r.Origins())
	for i, group := range r.groups() {
		if i > 0 {
			shown += ", "
		}
		shown += group
		others -= len(parseGroup(group))
		if len(shown)+len(andOthers(others)) > limit {
			break
		}
		short = Reason(shown + andOthers(others))
	}
	return short
}

// clipped ends an abbreviation that has room for a part of the first policy only.
const clipped = "..."

// andOthers ends an abbreviation: it says how many origins are left out.
func andOthers(n int) string { return ", and " + Others(n) }

// Others says how many more there are: 1 other, 17 others.
func Others(n int) string {
	if n == 1 {
		return "1 other"
	}
	return fmt.Sprintf("%d others", n)
}

// Abbreviates reports whether r is full, or what Abbreviated makes of it for some limit.
func (r Reason) Abbreviates(full Reason) bool {
	if r == full {
		return true
	}
	if begin, cut := strings.CutSuffix(string(r), clipped); cut {
		return len(r) < len(full) && strings.HasPrefix(string(full), begin)
	}
	shown, _, _ := strings.Cut(string(r), ", and ")
	rest, begins := strings.CutPrefix(string(full), shown+", ")
	return begins && string(r) == shown+andOthers(len(Reason(rest).Origins()))
}
