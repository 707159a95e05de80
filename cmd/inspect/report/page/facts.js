"use strict";
// What the page knows, and the questions that it answers. Nothing here draws.
// What the numbers in data mean stands in data.go.

const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows.map((text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));

// has says whether a number is in a row. Zeros at its end are left out.
const has = (row, i) => ((rows[row][i >> 3] ?? 0) >> (i & 7)) & 1;

const groupsOf = data.workloads.map(() => []);
const targetsOf = data.workloads.map(() => []);
const membersOf = data.spaces.map(() => []);
data.workloads.forEach((w, i) => membersOf[w.space].push(i));
data.groups.forEach((g, i) => groupsOf[g.workload].push(i));
data.targets.forEach((t, i) => targetsOf[data.groups[t.group].workload].push(i));
const edges = new Map(data.edges.map((e) => [e.from + " " + e.to, e]));

// inPart says of which part of the cluster a sentence is; nothing where it is of all.
const inPart = data.namespace ? ` in namespace ${data.namespace}` : "";
const outside = (w) => data.spaces[data.workloads[w].space].outside;
const reaches = (g, t) => has(data.groups[g].out, t) && has(data.targets[t].in, g);
// audits says whether a group reaches a target, and audited policies would deny that.
const audits = (g, t) => reaches(g, t) && (has(data.groups[g].outAudited, t) || has(data.targets[t].inAudited, g));

// portsOf returns the ports of a workload: what it declares, then packets without a port.
function portsOf(w) {
  const ports = new Set(targetsOf[w].map((t) => data.targets[t].port));
  const other = ports.delete("other");
  return other ? [...ports, "other"] : [...ports];
}

// pairs returns the pairs of a group and a target from one workload to another, with how many pairs
// of pods each stands for. Without a port they are those that the grid shows.
function pairs(from, to, port) {
  const all = [];
  for (const t of targetsOf[to]) {
    const target = data.targets[t];
    if (port ? target.port !== port : target.extra) continue;
    for (const g of groupsOf[from]) {
      const others = data.groups[target.group].pods.length - (g === target.group ? 1 : 0);
      if (others > 0) all.push({ g, t, pods: data.groups[g].pods.length * others });
    }
  }
  return all;
}

const known = new Map(); // what state has found of the ports that the grid shows

// state sums up two workloads: all, some or none; self where there is no pair.
function state(from, to, port) {
  if (port) return stateOf(from, to, port);
  const key = from * data.workloads.length + to;
  if (!known.has(key)) known.set(key, stateOf(from, to));
  return known.get(key);
}

function stateOf(from, to, port) {
  const all = pairs(from, to, port);
  if (all.length === 0) return "self";
  const open = all.filter(({ g, t }) => reaches(g, t)).length;
  return open === 0 ? "none" : open === all.length ? "all" : "some";
}

// spaceState sums up two namespaces.
function spaceState(from, to) {
  const e = edges.get(from + " " + to);
  if (!e) return "self";
  return e.all === e.pairs ? "all" : e.all + e.some > 0 ? "some" : "none";
}

const knownAudits = new Map(); // what audit has found of the ports that the grid shows

// audit sums up how much of what is open between two workloads audited policies would deny: all, some
// or none.
function audit(from, to, port) {
  const key = from * data.workloads.length + to;
  if (port || !knownAudits.has(key)) {
    const open = pairs(from, to, port).filter(({ g, t }) => reaches(g, t));
    const no = open.filter(({ g, t }) => audits(g, t)).length;
    const found = no === 0 ? "none" : no === open.length ? "all" : "some";
    if (port) return found;
    knownAudits.set(key, found);
  }
  return knownAudits.get(key);
}

// spaceAudit sums up two namespaces.
function spaceAudit(from, to) {
  return edges.get(from + " " + to)?.audited ? "some" : "none";
}

// sum joins states of several pairs.
function sum(states) {
  const real = states.filter((s) => s !== "self");
  if (real.length === 0) return "self";
  return real.every((s) => s === real[0]) ? real[0] : "some";
}

// why explains a port between two workloads by one pair of pods: one that is denied, if there is one,
// or else one that audited policies would deny.
function why(from, to, port) {
  const all = pairs(from, to, port);
  if (all.length === 0) return null;
  const count = (list) => list.reduce((n, p) => n + p.pods, 0);
  const denied = all.filter(({ g, t }) => !reaches(g, t));
  const audited = all.filter(({ g, t }) => audits(g, t));
  const shown = denied[0] ?? audited[0] ?? all[0];
  const of = count(all), no = count(denied);
  const common = data.groups[shown.g].families.filter((f) =>
    data.groups[data.targets[shown.t].group].families.includes(f));
  return {
    verdict: no === 0 ? "allowed" : no === of ? "denied" : "partly",
    of, denied: no, audited: count(audited), shown, noFamily: common.length === 0,
    halves: common.length ? [half("egress", shown, common), half("ingress", shown, common)] : [],
  };
}

// half explains one direction of a pair, in the IP family that is denied, if one is.
function half(direction, { g, t }, families) {
  const own = direction === "egress" ? g : data.targets[t].group;
  const peer = direction === "egress" ? data.targets[t].group : g;
  const lets = direction === "egress" ? has(data.groups[g].out, t) : has(data.targets[t].in, g);
  const wouldDeny = lets && has(direction === "egress" ? data.groups[g].outAudited : data.targets[t].inAudited,
    direction === "egress" ? t : g);
  const by = data.groups[own].by[direction] ?? [];
  const fitsOf = (family) => by.flatMap((p) => data.policies[p].rules[direction] ?? [])
    .map((r) => fit(data.rules[r], direction, { peer, t, family }));
  const allows = (r) => r.peer.length + r.port.length === 0;
  const byFamily = families.map(fitsOf);
  const allowed = byFamily.map((some) => some.some(allows));
  // One family that no rule lets through is enough, and what the other one has does not explain it.
  const shut = lets ? -1 : allowed.indexOf(false), open = lets ? -1 : allowed.indexOf(true);
  const over = by.length && shut >= 0 && open >= 0
    ? ` over IPv${families[shut]}; over IPv${families[open]} one does` : "";
  const rules = byFamily[Math.max(0, shut)];
  const distance = (r) => [r.peer, r.port].reduce((n, m) => n + (m.length && 100 + m.length), 0);
  rules.sort((a, b) => distance(a) - distance(b));
  return {
    direction, own, lets: Boolean(lets), wouldDeny: Boolean(wouldDeny), by,
    audited: data.groups[own].audits[direction] ?? [], rules, allowedBy: rules.filter(allows),
    reason: reason({ own, peer }, { lets, wouldDeny, by, allowed: rules.some(allows), over }),
  };
}

// reason says in words why a direction was decided as it was.
function reason({ own, peer }, { lets, wouldDeny, by, allowed, over }) {
  if (outside(data.groups[own].workload)) {
    return "allowed: it is no pod, and policies are about pods alone";
  }
  if (Boolean(lets) !== (by.length === 0 || allowed)) {
    return (lets ? "allowed" : "denied") + ": " + unexplained([own, peer]);
  }
  if (wouldDeny) return "allowed: the policies that would deny it are audited";
  if (by.length === 0) return "allowed: no policy isolates it in this direction";
  return lets ? "isolated, and a rule allows it" : "isolated, and no rule lets it through" + over;
}

// unexplained says why a verdict is another than the policies and rules of two groups make it.
function unexplained(groups) {
  return groups.some((g) => data.groups[g].disputed) ? "another pod or node states its address, too"
    : "the policies here do not explain it; ask picket why";
}

// fit lists what a rule lacks to match: of the peer, and of the port.
function fit(rule, direction, { peer, t, family }) {
  const inBlock = has(rule.in[family === 4 ? 0 : 1], peer);
  let missing = rule.any ? [] : null;
  for (const s of rule.any ? [] : rule.peers) {
    const lacks = lacking(data.selectors[s], peer);
    if (missing === null || lacks.length < missing.length) missing = lacks;
  }
  const byBlock = inBlock && missing?.length !== 0;
  if (byBlock) missing = [];
  else if (missing?.length !== 0) {
    missing = [...(missing ?? []), ...rule.blocks.map((b) => "not in " + b)];
    if (missing.length === 0) missing = ["none of its peers can be understood"];
  }
  const ports = data.ports[rule.ports];
  const portFits = has(byBlock && direction === "egress" ? ports.byNumber : ports.met, t);
  return { rule, direction, peer: missing, port: portFits ? [] : ["wants " + ports.text] };
}

// lacking lists the needs of a selector that a group does not meet.
function lacking(selector, group) {
  if (outside(data.groups[group].workload)) return ["is no pod, and wants " + selector.text];
  const unmet = selector.needs.map((n) => data.needs[n]).filter((n) => !has(n.met, group));
  const texts = new Set(unmet.map((need) => lackOf(need, group)));
  return [...texts];
}

// lackOf says what a need wants and a group has instead.
function lackOf(need, group) {
  const { labels, workload } = data.groups[group];
  const space = data.spaces[data.workloads[workload].space];
  if (need.on === "name") return `is in namespace ${space.name}, wants ${need.wants}`;
  if (need.on === "namespace" && space.implied) {
    return `namespace ${space.name} is no object here, so its labels are not known`;
  }
  const value = (need.on === "pod" ? labels : space.labels).map((l) => data.labels[l])
    .find(([key]) => key === need.key)?.[1];
  const of = need.on === "pod" ? "" : "namespace ";
  const instead = value === undefined ? `has no label ${need.key}` : `has ${need.key}=${value}`;
  return `${of}${instead}, wants ${need.wants}`;
}

// kindOf is the kind of a workload, where that is not its pod or the internet.
const kindOf = (w) => (["", "Pod"].includes(data.workloads[w].kind) ? "" : data.workloads[w].kind);

// shared says whether workloads of several kinds have a name.
const byName = new Map();
for (const { name } of data.workloads) byName.set(name, (byName.get(name) ?? 0) + 1);
const shared = (w) => byName.get(data.workloads[w].name) > 1;

// withKind is a name that no other workload has, as picket why takes it: shop/cronjob/backup. A pod of
// its own has its kind only beside another workload of the name.
function withKind(w) {
  const { name, kind } = data.workloads[w];
  return kindOf(w) || shared(w) ? name.replace("/", `/${kind.toLowerCase()}/`) : name;
}

// find returns the workload that a name means, or a text that says why there is none. A name is a
// workload's or a pod's, with its namespace or alone, with its kind or without, or a part of one that no
// other has.
function find(name) {
  const is = [
    (w, i) => withKind(i) !== w.name && withKind(i) === name,
    (w) => w.name === name,
    (w, i) => groupsOf[i].some((g) => data.groups[g].pods.some((p) =>
      name === p || name === data.spaces[w.space].name + "/" + p)),
    (w) => w.name.endsWith("/" + name),
    (w) => w.name.includes(name),
  ];
  for (const match of is) {
    const found = data.workloads.map((w, i) => (match(w, i) ? i : -1)).filter((i) => i >= 0);
    if (found.length === 1) return { workload: found[0] };
    if (found.length > 1) {
      const names = found.slice(0, 4).map((i) => (shared(i) ? withKind(i) : data.workloads[i].name)).join(", ");
      return { error: `“${name}” is ${names}${found.length > 4 ? " or others" : ""}: which one?` };
    }
  }
  return { error: `No workload or pod is named “${name}”.` };
}

// parse reads a question in words: "a", "a → b", "a -> b:8080", "a b:53/udp", "a,b:http", "a b/icmp",
// "a b/icmpv6".
function parse(text) {
  const words = text.trim().split(/\s*(?:→|->|,)\s*|\s+/).filter(Boolean);
  if (words.length === 0 || words.length > 2) return { error: "Ask for a name, or: from → to:port" };
  if (words.length === 1) return question(words[0]);
  return question(words[0], ...nameAndPort(words[1]));
}

// nameAndPort parts b:8080, b:53/udp and b/icmp, as picket why does, and b/icmpv6.
function nameAndPort(text) {
  const [, name, port, icmp] = text.match(/^(.*?)(?::([^:]+)|\/(icmp(?:v6)?))?$/);
  return [name, port ?? icmp];
}

// question finds what is asked about by its names.
function question(from, to, port) {
  const sender = find(from);
  if (sender.error || to === undefined) return { ...sender, from: sender.workload };
  const receiver = find(to);
  if (receiver.error) return receiver;
  if (targetsOf[receiver.workload].length === 0) return { from: sender.workload, to: receiver.workload };
  const asked = port && portNamed(receiver.workload, port);
  if (port && !asked) {
    return { error: `${data.workloads[receiver.workload].name} declares no port ${port}. ` +
      `For others ask: picket why ${from} ${to}:${port}` };
  }
  return { from: sender.workload, to: receiver.workload, port: asked };
}

// portNamed finds a port by its number, number/protocol, protocol/number or name. A number alone is
// tcp where there is such a port.
function portNamed(w, text) {
  const [port, protocol] = text.split("/");
  if (["icmp", "icmpv6", "other"].includes(port)) return "other";
  const targets = targetsOf[w].map((t) => data.targets[t]);
  const is = [
    (t) => t.port === text || t.port === `${protocol ?? "tcp"}/${port}`,
    (t) => t.name !== "" && t.name === text,
    (t) => protocol === undefined && t.port.endsWith("/" + port),
  ];
  return is.map((match) => targets.find(match)).find(Boolean)?.port;
}
