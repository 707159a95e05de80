package compile

import (
	"slices"
	"sort"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Cache makes templates, and does once what is the same for many pods: a policy for all
// pods of a namespace is worked through once. The zero value is empty and ready.
type Cache struct {
	contributions
	templates map[string]*Template // by GroupKey
}

// Reset drops the templates. It must be called before policies or counts of pods that
// changed are used; what single policies contribute is kept, see Forget.
func (x *Cache) Reset() { x.templates = nil }

// Subject is a pod in a direction in which policies isolate it, or audit it.
type Subject struct {
	Pod             policy.Pod
	GroupKey        string // see GroupKey
	Direction       ruleset.Direction
	policy.Deciders // sorted by key
}

// namespace is that of the policies: a stand-in for several pods has no namespace of
// its own.
func (s Subject) namespace() string {
	if len(s.Policies) == 0 {
		return ""
	}
	return s.Policies[0].Namespace
}

// Template is the part of an Isolation that is the same for all pods of a group.
type Template struct {
	Request
	builder builder
	names   []string // of the policies that decide about the pods
}

// Template returns the template for a subject and the others of its group. Where all
// policies of the subject would need more than the budget of a pod, those that need
// most allow nothing.
func (x *Cache) Template(s Subject, form Form) *Template {
	if kept := x.templates[s.GroupKey]; kept != nil {
		return kept
	}
	template := x.fit(s, form)
	template.Measure(form.RoundedCount())
	for _, one := range s.Policies {
		template.names = append(template.names, one.String())
	}
	if x.templates == nil {
		x.templates = map[string]*Template{}
	}
	x.templates[s.GroupKey] = template
	return template
}

// fit makes the template of as many of the subject's policies as the budget allows,
// those first that need least.
func (x *Cache) fit(s Subject, form Form) *Template {
	budget := form.Limits().Pod
	template := x.assemble(s, s.Policies, form)
	if template.Need.within(budget) {
		return template
	}
	order := x.leastFirst(s, form)
	prefix := func(n int) *Template {
		some := slices.Clone(order[:n])
		slices.SortFunc(some, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
		return x.assemble(s, some, form)
	}
	n := sort.Search(len(order), func(n int) bool { return !prefix(n + 1).Need.within(budget) })
	template = prefix(n)
	template.Excluded = order[n:]
	return template
}

// leastFirst orders a subject's policies by what each needs alone.
func (x *Cache) leastFirst(s Subject, form Form) []*policy.Policy {
	alone := map[*policy.Policy]Need{}
	for _, one := range s.Policies {
		c := x.of(s, one)
		if c.alone == nil {
			c.alone = &x.assemble(s, []*policy.Policy{one}, form).Request
		}
		c.alone.Measure(form.RoundedCount())
		alone[one] = c.alone.Need
	}
	least := func(a, b *policy.Policy) int { return alone[a].Compare(alone[b]) }
	return slices.SortedStableFunc(slices.Values(s.Policies), least)
}

// assemble makes a template in which only some of the subject's policies allow
// something.
func (x *Cache) assemble(s Subject, allowing []*policy.Policy, form Form) *Template {
	contributions := make([]*contribution, len(allowing))
	for i, one := range allowing {
		contributions[i] = x.of(s, one)
	}
	b := build(s, contributions, form)
	return &Template{
		Request: Request{
			Namespace: s.namespace(), GroupKey: s.GroupKey, Policies: s.Policies, Effect: s.Effect,
			Need: b.need(form), Sources: b.sources,
		},
		builder: b,
	}
}

// Isolation makes the isolation of one pod of the group. It asks for the group only if
// its pods share a chain.
func (x *Template) Isolation(p policy.Pod, form Form, group func() Group) Isolation {
	return x.named(x.builder.isolation(p, form, group))
}

// DenyAll makes the isolation of a pod whose group's request is refused: nothing is
// allowed.
func (x *Template) DenyAll(p policy.Pod, form Form) Isolation {
	return x.named(newBuilder(p, x.builder.direction).isolation(p, form, NoGroup))
}

// named says in the pod's chain which policies decide about it. Where they are audited, what
// they do not allow is let through.
func (x *Template) named(i Isolation) Isolation {
	if i.Chain.Policies = x.names; x.Effect == policy.Audits {
		i.Chain.End = ruleset.EndAudit
	}
	return i
}
