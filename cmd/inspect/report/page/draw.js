// What the page shows. Every text from the data goes through make, which never reads it as HTML.

const byId = (id) => document.getElementById(id);

// make makes an element of a tag with attributes and children, which are elements or texts.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "click") element.addEventListener("click", value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c !== undefined && c !== ""));
  return element;
}

// nameOf is how the page names a workload, askedAs how it is asked about.
const nameOf = (w) => data.workloads[w].name + (shared(w) && kindOf(w) ? ` (${kindOf(w)})` : "");
const askedAs = (w) => (shared(w) ? withKind(w) : data.workloads[w].name);

// linkTo is the address of an answer in this page. It names kinds, so that it stays right where another
// workload gets the name.
const linkTo = (from, to, port) => "#why=" + [from, to].map((w) => encodeURIComponent(withKind(w)))
  .join(",") + (port ? portArgument(port) : "");
const linkOf = (w) => "#of=" + encodeURIComponent(withKind(w));

// A table of more lines than this takes a browser too long.
const mostLines = 150;
const unfolded = new Set();
const anyAudited = data.edges.some((e) => e.audited > 0);
const glyphs = { all: "●", some: "◐", none: "", self: "·" };
const words = { all: "reaches", some: "reaches partly", none: "does not reach", self: "is" };

// linesOf returns the lines of the grid: a folded namespace, or its workloads. The internet has one.
function linesOf(shows) {
  const lines = [];
  data.spaces.forEach((space, s) => {
    const members = membersOf[s].filter(shows);
    if (members.length === 0) return;
    const open = unfolded.has(s) && !space.outside;
    lines.push({ space: s, members, open, name: space.name });
    if (open) for (const w of members) lines.push({ workload: w, members: [w], name: nameOf(w) });
  });
  return lines;
}

// cellState sums up what two lines are to each other.
function cellState(row, column) {
  if (row.workload === undefined && column.workload === undefined) {
    return spaceState(row.space, column.space);
  }
  return sum(row.members.flatMap((a) => column.members.map((b) => state(a, b))));
}

// drawGrid draws the table anew.
function drawGrid() {
  const rowLines = linesOf(() => true);
  const columns = linesOf((w) => targetsOf[w].length > 0);
  const hidden = Math.max(rowLines.length, columns.length) - mostLines;
  byId("limit").hidden = hidden <= 0;
  byId("limit").textContent = `The first ${mostLines} lines are shown: fold other namespaces to see ` +
    "more, or search for a name.";
  const head = make("tr", {}, make("th", { scope: "col" }, "from ↓  to →"),
    ...columns.slice(0, mostLines).map((line) => headOf(line, "col")));
  const body = rowLines.slice(0, mostLines).map((row) => {
    const tr = make("tr", {}, headOf(row, "row"));
    for (const column of columns.slice(0, mostLines)) tr.append(cellOf(row, column));
    return tr;
  });
  byId("grid").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  const first = byId("grid").querySelector("td");
  if (first) first.tabIndex = 0;
}

// headOf names a line. A namespace folds; a workload shows whom it reaches.
function headOf(line, scope) {
  const space = line.workload === undefined && !data.spaces[line.space].outside;
  const name = space ? line.name : line.name.slice(line.name.indexOf("/") + 1);
  const button = make("button", {
    type: "button", title: line.name, "aria-expanded": space ? String(line.open) : undefined,
    click: () => (space ? toggle(line.space) : go(linkOf(line.members[0]))),
  }, (space ? (line.open ? "▾ " : "▸ ") : "") + name);
  return make("th", { scope, class: space ? "space" : "member" }, button);
}

// cellAudit sums up what audited policies would deny between two lines.
function cellAudit(row, column) {
  if (row.workload === undefined && column.workload === undefined) {
    return spaceAudit(row.space, column.space);
  }
  return sum(row.members.flatMap((a) => column.members.filter((b) => isOpen([a, b])).map((b) => audit(a, b))));
}

// What audited policies would deny of what a cell shows.
const denials = { all: "; audited policies would deny it", some: "; audited policies would deny a part of it" };
const auditGlyph = "◎";

// cellOf draws one cell.
function cellOf(row, column) {
  const is = cellState(row, column);
  const denial = denials[anyAudited && cellAudit(row, column)] ?? "";
  const td = document.createElement("td");
  td.className = is + (row.workload === undefined || column.workload === undefined ? " wide" : "") +
    (denial && " audited");
  td.textContent = denial ? auditGlyph : glyphs[is];
  td.tabIndex = -1;
  td.title = `${row.name} ${words[is]} ${column.name === row.name ? "itself" : column.name}${denial}`;
  td.line = [row, column];
  return td;
}

// choose answers a click on a cell.
function choose(td) {
  const [row, column] = td.line;
  mark(td);
  if (row.members.length === 1 && column.members.length === 1) {
    go(linkTo(row.members[0], column.members[0]));
  } else showMany(row, column);
}

// mark marks one cell, and no other.
function mark(td) {
  byId("grid").querySelector(".chosen")?.classList.remove("chosen");
  td?.classList.add("chosen");
}

// markPair marks the cell of two workloads, if it is drawn.
function markPair(from, to) {
  const is = (line, w) => !line.open && line.members.length === 1 && line.members[0] === w;
  mark([...byId("grid").querySelectorAll("td")].find((td) =>
    is(td.line[0], from) && is(td.line[1], to)));
}

// toggle folds or unfolds a namespace, and leaves the keyboard where it was.
function toggle(space) {
  if (!unfolded.delete(space)) unfolded.add(space);
  drawGrid();
  [...byId("grid").querySelectorAll("tbody th.space button")]
    .find((b) => b.title === data.spaces[space].name)?.focus();
}

// move follows the arrow keys from cell to cell.
function move(event) {
  const td = event.target.closest("td");
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!td) return;
  if (event.key === "Enter" || event.key === " ") choose(td);
  else if (!step) return;
  else {
    const next = td.parentNode.parentNode.rows[td.parentNode.rowIndex - 1 + step[0]]
      ?.cells[td.cellIndex + step[1]];
    if (next?.tagName === "TD") {
      td.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  }
  event.preventDefault();
}

// show fills the panel beside the grid.
function show(...children) {
  const close = make("button", { type: "button", class: "close", "aria-label": "Close",
    click: () => go("#") }, "✕");
  byId("why").replaceChildren(close, ...children);
  byId("why").hidden = false;
  byId("why").scrollTop = 0;
}

// showWhy explains a port between two workloads. Without a port it is the first declared one that is
// denied, or else the first.
function showWhy(from, to, port) {
  markPair(from, to);
  const ports = portsOf(to);
  const chosen = port ?? ports.find((p) => p !== "other" && state(from, to, p) !== "all") ?? ports[0];
  const answer = chosen && why(from, to, chosen);
  const title = make("h2", {}, `${nameOf(from)} → ${nameOf(to)}`);
  if (!answer) {
    show(title, make("p", {}, ports.length === 0
      ? "Its ports are not part of this report." : "It has one pod, and a pod always reaches itself."));
    return;
  }
  const label = { allowed: "ALLOWED", denied: "DENIED", partly: "PARTLY DENIED" }[answer.verdict];
  const links = ports.map((p) => make("a", {
    href: linkTo(from, to, p), "aria-current": p === chosen ? "true" : undefined,
  }, (audit(from, to, p) !== "none" ? auditGlyph + " " : portGlyphs[state(from, to, p)]) + portText(to, p)));
  show(title, make("p", { class: "verdict " + answer.verdict }, `${label} ${chosen}`),
    ...auditText(answer), make("div", { class: "ports" }, ...links), ...pairText(answer),
    ...answer.halves.map(drawHalf), make("h3", {}, "In a terminal"),
    make("pre", {}, `picket why ${askedAs(from)} ${askedAs(to)}` + portArgument(chosen)));
}

const portGlyphs = { all: "✓ ", none: "✗ ", some: "◐ ", self: "" };

// auditText says which audited policies would deny what is shown.
function auditText(answer) {
  const names = new Set(answer.halves.filter((h) => h.wouldDeny).flatMap((h) => h.audited)
    .map((p) => data.policies[p].name));
  if (answer.verdict !== "allowed" || names.size === 0) return [];
  return [make("p", {}, make("span", { class: "bad" }, "would be denied"), ` by ${[...names].join(", ")} (audited)`)];
}

// portText is a port with the name that pods give it.
function portText(w, port) {
  if (port === "other") return "other, such as ICMP";
  const name = targetsOf[w].map((t) => data.targets[t]).find((t) => t.port === port)?.name;
  return name ? `${port} ${name}` : port;
}

// portArgument is how picket why takes a port.
function portArgument(port) {
  if (port === "other") return "/icmp";
  const [protocol, number] = port.split("/");
  return ":" + number + (protocol === "tcp" ? "" : "/" + protocol);
}

// pairText says which pods are meant where there are several.
function pairText(answer) {
  if (answer.noFamily) return [make("p", {}, "They have no IP family in common: one is IPv4 only, the other IPv6 only.")];
  if (answer.of < 2 || answer.denied + answer.audited === 0) return [];
  const { g, t } = answer.shown;
  const what = answer.denied ? `${answer.denied} of ${answer.of} pairs of pods are denied`
    : `${answer.audited} of ${answer.of} pairs of pods would be denied`;
  return [make("p", { class: "note" }, `${what}; below: ` +
    `${data.groups[g].pods[0]} → ${data.groups[data.targets[t].group].pods.at(-1)}`)];
}

// drawHalf draws one direction of an answer.
function drawHalf(h) {
  const list = make("dl");
  const item = (name, ...value) => list.append(make("dt", {}, name), make("dd", {}, ...value));
  const policyOf = (p) => data.policies[p].name + (data.policies[p].broken ? " (!)" : "");
  if (h.by.length) item("isolated by", h.by.map(policyOf).join(", "));
  if (h.audited.length) item("audited", h.audited.map((p) => data.policies[p].name).join(", "));
  if (h.by.some((p) => data.policies[p].broken)) item("(!)", "a part of it matches nothing: see ", make("a", { href: "#tab=lint" }, "Lint"));
  if (h.allowedBy.length) item("allowed by", h.allowedBy.map(ruleName).join(", "));
  if (!h.lets && h.rules.length) item("nearest", ...drawRule(h.rules[0]));
  const all = make("details", {}, make("summary", {}, `all ${h.rules.length} rules`),
    ...h.rules.map((r) => make("p", {}, ...drawRule(r))));
  return make("div", { class: "half" },
    make("h3", {}, `${h.direction.toUpperCase()} of ${nameOf(data.groups[h.own].workload)}`),
    make("p", { class: h.wouldDeny ? "part" : h.lets ? "good" : "bad" }, h.reason), list, h.rules.length > 1 ? all : "");
}

const ruleName = (r) => `${data.policies[r.rule.policy].name} ${r.direction}[${r.rule.index}]`;

// drawRule says what a rule lacks.
function drawRule(r) {
  const line = (what, missing) => make("div", { class: missing.length ? "bad" : "good" },
    `${what}: ${missing.length ? missing.join("; ") : "fits"}`);
  return [make("span", { class: "name" }, ruleName(r)), line("port", r.port), line("peer", r.peer)];
}

// mostListed is how many workloads a list names.
const mostListed = 300;

// markOf is the mark of a pair of workloads in a list.
function markOf(a, b) {
  const is = state(a, b), denial = denials[audit(a, b)];
  return make("span", { class: denial ? "bad" : { all: "good", some: "part", none: "bad" }[is] ?? "",
    title: words[is] + (denial ?? "") }, (denial ? auditGlyph : glyphs[is]) + " ");
}

// listOf lists pairs of workloads with a link each.
function listOf(list) {
  const shown = list.slice(0, mostListed).map(([a, b, name]) => make("li", {},
    markOf(a, b),
    make("a", { href: linkTo(a, b) }, name)));
  if (list.length > mostListed) shown.push(make("li", {}, `and ${list.length - mostListed} more`));
  return make("ul", { class: "list" }, ...shown);
}

const isOpen = ([a, b]) => ["all", "some"].includes(state(a, b));

// showMany lists the workloads of two lines that reach each other.
function showMany(row, column) {
  const all = row.members.flatMap((a) => column.members.filter((b) => state(a, b) !== "self")
    .map((b) => [a, b, `${nameOf(a)} → ${nameOf(b)}`]));
  const open = all.filter(isOpen);
  show(make("h2", {}, `${row.name} → ${column.name}`),
    make("p", {}, `${open.length} of ${all.length} pairs of workloads are open.`),
    ...auditCount(open), listOf(open));
}

// auditCount says of how many open pairs audited policies would deny something.
function auditCount(open) {
  const n = open.filter(([a, b]) => audit(a, b) !== "none").length;
  return n ? [make("p", {}, `${auditGlyph} Audited policies would deny ${n} of them, or a part of these.`)] : [];
}

// showWorkload lists who reaches a workload, and whom it reaches.
function showWorkload(w) {
  const all = data.workloads.map((_, i) => i);
  const into = all.map((i) => [i, w, nameOf(i)]).filter(isOpen);
  const out = all.map((i) => [w, i, nameOf(i)]).filter(isOpen);
  const pods = groupsOf[w].flatMap((g) => data.groups[g].pods);
  show(make("h2", {}, nameOf(w)), make("p", { class: "note" },
    outside(w) ? "an address that no policy speaks of" : `${kindOf(w)} ${pods.length} pods`.trim().replace(/^1 pods/, "1 pod")),
    ...(targetsOf[w].length === 0 ? [make("p", {}, "Who reaches it is not part of this report.")]
      : [make("h3", {}, `Is reached by ${into.length}`), listOf(into)]),
    make("h3", {}, `Reaches ${out.length}${inPart}`), listOf(out));
}
