package main

// mutants lists the faults, by the step of the pipeline that they are planted in.
var mutants = []mutant{
	// What a policy means.
	{"except is dropped", "policy", "ruleset/policy/block.go", "ranges = subtract(ranges, except)", "_ = except"},
	{"leading zeros are not decimal", "policy", "ruleset/policy/address.go", "p, err = netip.ParsePrefix(withoutZeros(text))", "_ = withoutZeros"},
	{"a namespace takes another's name", "policy", "ruleset/policy/cluster.go", "ns.Labels[corev1.LabelMetadataName] = n.Name", "_ = n.Name"},
	{"the protocol defaults to UDP", "policy", "ruleset/policy/parse.go", "if p == nil {\n\t\treturn ruleset.TCP, nil", "if p == nil {\n\t\treturn ruleset.UDP, nil"},
	{"endPort is off by one", "policy", "ruleset/policy/parse.go", "Last: uint16(last)}", "Last: uint16(max(first, last-1))}"},
	{"IPv6 is ignored", "policy", "ruleset/policy/pod.go", "range ruleset.Families {", "range ruleset.Families[:1] {"},
	{"absent policyTypes never mean Egress", "policy", "ruleset/policy/parse.go", "ruleset.Egress: len(spec.Egress) > 0", "ruleset.Egress: false"},
	{"an unresolved port name means every port", "policy", "ruleset/policy/chain.go", "\tslices.SortFunc(ports, func(x, y Ports)", "\tif len(ports) == 0 {\n\t\treturn []Ports{{Proto: ruleset.AnyProtocol}}\n\t}\n\tslices.SortFunc(ports, func(x, y Ports)"},
	{"peers that can't be read mean everybody", "policy", "ruleset/policy/parse.go", "r.Blocks = Union(r.Blocks)", "r.Blocks = Union(r.Blocks)\n\tr.AnyPeer = len(r.Pods)+len(r.Blocks) == 0"},
	{"a bad except leaves the whole cidr", "policy", "ruleset/policy/block.go", "ok = ok && fine", "_ = fine"},
	{"a finished pod counts", "policy", "ruleset/policy/pod.go", "return p.Status.Phase == corev1.PodSucceeded ||", "return false &&"},
	{"a hostNetwork pod counts", "policy", "ruleset/policy/pod.go", "Finished(p) || p.Spec.HostNetwork ||", "Finished(p) ||"},
	{"ports of sidecars are not found", "policy", "ruleset/policy/pod.go", "*c.RestartPolicy == corev1.ContainerRestartPolicyAlways", "false"},
	{"of two pods with one address the older has it", "policy", "ruleset/policy/pod.go", "strings.Compare(p.String(), o.String())) > 0", "strings.Compare(p.String(), o.String())) < 0"},
	{"a node's address can be a pod's", "policy", "ruleset/policy/compile.go", "delete(holder, a)", "_ = a"},
	{"a pod can't reach itself", "policy", "ruleset/policy/chain.go", "\ta.itself()\n", ""},
	{"podSelector or namespaceSelector is enough", "policy", "ruleset/policy/selector.go", "s.MatchesNamespace(ns) && s.Pods", "s.MatchesNamespace(ns) || s.Pods"},
	{"a merged rule forgets peers", "policy", "ruleset/policy/set.go", "all.Selectors = append(all.Selectors, s.Selectors...)", "all.Selectors = s.Selectors"},
	{"the last port of a range is not looked up", "policy", "ruleset/policy/lookup.go", "number <= int(ports.Last)", "number < int(ports.Last)"},
	{"a port leads to one kind of peers", "policy", "ruleset/policy/lookup.go", "a.jump(made, rules[:n])", "a.jump(made, rules[:1])"},
	{"what the host refuses waits for the audit", "controller", "controller/host.go", "c.rehost.after(err)", ""},
	{"what bridges refuse waits for the audit", "controller", "controller/segment.go", "c.remix.after(err)", ""},
	{"ports of one pod lead another's way", "graph", "controller/graph/selector.go", "if source.ID.Kind == ruleset.PortMap {", "if false {"},
	{"chains that ports lead to are not counted", "graph", "controller/graph/resolve.go", "if g.shared[id]--; g.shared[id] == 0 {", "if g.shared[id]--; g.shared[id] >= 0 {"},
	{"what new ports lead to is laid too late", "ruleset", "ruleset/delta.go", "return m.Set.Kind == PortMap ||", "return"},
	{"ports go before nobody looks them up", "graph", "ruleset/delta.go", "if slices.ContainsFunc(d.DelSets, leads) {", "if false && slices.ContainsFunc(d.DelSets, leads) {"},
	{"a pod that joins others leaves them as they were", "graph", "controller/graph/crew.go", "if !c.shares {", "if true {"},
	{"pods that are judged alike share nothing with a name of theirs", "graph", "ruleset/policy/crew.go", "ruleset.NewAlikeID(d, names)", "ruleset.NewAlikeID(d, names[:1])"},
	{"a chain leads nowhere", "nft", "nft/rule.go", "if c.Onward != \"\" {", "if false {"},
	{"what alike pods share may change without their connections being judged anew", "graph", "controller/graph/graph.go", "chain == id || g.chains.now[chain].Onward == id", "chain == id"},
	{"ports that several policies name lead to the peers of one", "policy", "ruleset/policy/lookup.go", "common[portOf(m)] = true", "common[portOf(m)] = false"},
	{"a large set is not filled wholly", "ruleset", "ruleset/delta.go", "all[have:min(2*have, len(all))]", "all[have:min(2*have, len(all)-1)]"},
	{"a newcomer is known before its chain has rules", "ruleset", "ruleset/delta.go", "m.Set.Kind == PortMap || m.Set.tellsKnown() }", "m.Set.Kind == PortMap }"},
	{"a pod that leaves is known too long", "ruleset", "ruleset/delta.go", "if len(d.DelDispatch) > 0 {", "if false {"},
	{"a port may lead anywhere under its comment", "nft", "nft/observe.go", "m := ruleset.Member{Chain: jumpOf(e), Comment: e.Comment}", "m := ruleset.Member{Chain: \"peers/egress-sample\", Comment: e.Comment}"},
	{"a merged rule forgets ranges", "policy", "ruleset/policy/merge.go", "p.ranges = append(p.ranges, source.Ranges...)", "_ = source"},
	{"a name on egress is looked up in the subject", "policy", "ruleset/policy/chain.go", "if a.direction == ruleset.Ingress {", "if true {"},
	{"a bad podSelector may allow", "policy", "ruleset/policy/parse.go", "return podsIn(p.key.Namespace, widened(s)), false", "return podsIn(p.key.Namespace, widened(s)), true"},

	// What files state.
	{"only the last -f counts", "cli", "cmd/cli/load.go", "manifests.Input{Paths: f.paths,", "manifests.Input{Paths: f.paths[len(f.paths)-1:],"},
	{"--strict lets a problem pass", "cli", "cmd/cli/load.go", "f.strict && n > 0", "f.strict && n > 1"},
	{"of two objects with one name the first counts", "manifests", "controller/manifests/ledger.go", "return claims[len(claims)-1].object", "return claims[0].object"},
	{"JSON may state a key twice", "manifests", "controller/manifests/parse.go", "repeats = repeatedInJSON(c.text)", "_ = repeatedInJSON"},
	{"what moves to another path is gone in between", "manifests", "controller/manifests/watch.go", "other.agenda.note(\"\", now)", "_ = other"},

	// The graph.
	{"a pod leaves a union with its first selector", "graph", "controller/graph/selector.go", "!set.sent || set.hasBesides(p, s)", "!set.sent"},
	{"a dispatch entry is not deleted", "graph", "controller/graph/resolve.go", "\t\t\tg.dispatch.delete(s)\n", "\t\t\t_ = s\n"},
	{"a relabelled namespace keeps its pods' places", "graph", "controller/graph/namespace.go", "\tfor p := range ns.pods {\n\t\tg.match(p)\n\t}\n", ""},
	{"an address stays in the sets of its former pod", "graph", "controller/graph/pod.go", "\tfor _, s := range p.matched {\n\t\ts.remove(g, p)\n\t}\n", ""},
	{"a selector with Exists is not found", "graph", "controller/graph/index.go", "\t\t\tlook(anchor{scope, podKey, key, \"\"})\n", ""},
	{"removals are not handed out", "graph", "controller/graph/changes.go", "del = appendIf(del, sum < 0, m)", "del = appendIf(del, sum < -1, m)"},
	{"deleted policies of a terminating namespace go at once", "packets", "controller/graph/namespace.go", "if exists && ns.Terminating && len(ns.pods) > 0 {", "if false && exists {"},

	{"a pod that is gone stays known", "graph", "controller/graph/strict.go", "\t\t\tg.known.delete(a)\n", "\t\t\t_ = a\n"},

	// The difference.
	{"a chain with other rules is left", "ruleset", "ruleset/diff.go", "if !exists || digest != c.Digest() {", "if !exists || digest == \"\" {"},
	{"the last address of a range is left out", "ruleset", "ruleset/address.go", "a.Compare(r.Last) <= 0", "a.Compare(r.Last) < 0"},

	// The kernel.
	{"consent to egress skips ingress", "packets", "nft/rule.go", "consent = verdict(expr.VerdictGoto, arrival)", "consent = verdict(expr.VerdictAccept, \"\")"},
	{"the peer is looked for at the subject's end", "packets", "nft/term.go", "return 1 - subjectEnd(d)", "return subjectEnd(d)"},
	{"replies are not let through", "packets", "nft/layout.go", "{[]term{ctState(\"established\", ctEstablished), verdict(expr.VerdictAccept, \"\")}", "{[]term{ctState(\"established\", 64), verdict(expr.VerdictAccept, \"\")}"},
	{"pods may advertise routers to their node", "packets", "nft/layout.go", "*nftables.ChainHookInput, priority}, noRouters()}", "*nftables.ChainHookInput, priority}, nil}"},
	{"pods may talk by link-local addresses", "packets", "nft/layout.go", "range []end{source, destination} {\n\t\tterms := []term{fromLink", "range []end{} {\n\t\tterms := []term{fromLink"},
	{"an interval ends too early", "nft", "nft/batch.go", "after := m.Last.Next()", "after := m.Last"},
	{"a rule taken out of a chain is not noticed", "nft", "nft/rule.go", "n != 3 || sealed(end, digest, contents) != comment", "n != 3 || end == \"\""},
	{"bridged IPv6 is not filtered", "packets", "controller/host/host.go", "{\"net/bridge/bridge-nf-call-iptables\", \"net/bridge/bridge-nf-call-ip6tables\"}", "{\"net/bridge/bridge-nf-call-iptables\"}"},

	{"a cut is not read back", "nft", "nft/cut.go", "ok && e.Comment != answers", "ok && e.Comment == answers"},
	{"a changed cut chain is not noticed", "nft", "nft/condition.go", "\t\tchains = append(chains, cutFrame())\n", "\t\tdelete(l.chains, cutChain)\n"},

	{"a damaged frame is emptied before it is mended", "ruleset", "ruleset/diff.go", "Clear: have.Condition == Lost", "Clear: have.Condition != Intact"},
	{"a stray chain is taken for intact", "nft", "nft/condition.go", "len(l.strayChains())+len(l.straySets()) > 0", "false"},
	{"the comment of an element is believed", "nft", "nft/observe.go", "string(chain) == e.Comment {\n\t\treturn chain", "chain != \"x\" {\n\t\treturn ruleset.ChainID(e.Comment)"},
	{"a forged source passes", "packets", "nft/bridge.go", "ofPort(link, *at, ownSetName(f), false)", "ofPort(link, *at, ownSetName(f), true)"},
	{"a broadcast reaches an isolated pod", "packets", "controller/graph/segment.go", "slices.ContainsFunc(p.Addrs, g.isolated)", "slices.ContainsFunc(p.Addrs[:0], g.isolated)"},
	{"what others change is not noticed", "nft", "nft/guard.go", "m.Header.PID != b.port.Load() && isOurTable(m)", "m.Header.PID == 1"},

	// The loop.
	{"the kernel is touched before all is known", "controller", "controller/controller.go", "if c.synced && !time", "if !time"},
	{"what was not read yet is freed", "controller", "controller/controller.go", "delta = delta.Isolating()", "_ = delta"},
	{"events break the backoff", "controller", "controller/controller.go", "c.synced && !time.Now().Before(c.resume)", "c.synced"},
	{"what is allowed again stays cut", "controller", "controller/review.go", "now.Sub(seen) > forgetCut || !denies(connection)", "now.Sub(seen) > forgetCut"},
	{"a change during a look is not looked at", "controller", "controller/review.go", "\tif !c.review.scope.Empty() {\n\t\tc.review.schedule(min", "\tif false {\n\t\tc.review.schedule(min"},
	{"an empty list is believed", "controller", "controller/reader.go", "len(found.Items) == 0", "len(found.Items) < 0"},
	{"the first list may be of any age", "controller", "controller/list.go", "metav1.ListOptions{Limit: limit}", "metav1.ListOptions{Limit: limit, ResourceVersion: \"0\"}"},
	{"a watch may go back in time", "controller", "controller/reader.go", "if is < l.newest {", "if false {"},
	{"what a list lacks stays", "controller", "controller/mirror.go", "if !listed[key] {", "if key == (policy.Key{}) {"},
	{"what is told twice is news", "controller", "controller/mirror.go", "(n.version == 0 || n.content != was.content)", "true"},
	{"a failed transaction is forgotten", "controller", "controller/controller.go", "\tc.known = false\n\tc.backoff = longer", "\tc.backoff = min"},
}
