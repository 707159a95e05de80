// The views beside the grid, and what happens on clicks, keys and links.

// tableOf draws a table of facts. A cell is a text, an element, or a number, which stands at the right.
function tableOf(header, lines) {
  const cell = (value, i) => make("td", { "data-name": header[i], class: typeof value === "number" ? "number" : undefined },
    value instanceof Node ? value : String(value));
  return make("div", { class: "wide-table" }, make("table", { class: "facts" },
    make("thead", {}, make("tr", {}, ...header.map((h, i) => make("th", { scope: "col",
      class: typeof lines[0]?.[i] === "number" ? "number" : undefined }, h)))),
    make("tbody", {}, ...lines.map((line) => make("tr", {}, ...line.map(cell))))));
}

// share draws a part of a whole.
function share(n, of) {
  const text = make("span", {}, `${n}/${of}`);
  if (of > 0) text.append(make("meter", { min: 0, max: of, value: n, "aria-hidden": "true" }));
  return text;
}

function drawCoverage() {
  const c = data.coverage;
  const deny = (directions) => (directions.length === 2 ? "yes" : directions[0] ?? "no");
  byId("coverage").append(
    make("p", {}, "Of ", String(c.pods), " pods", inPart, " ", share(c.ingress, c.pods), " are isolated for ingress and ",
      share(c.egress, c.pods), " for egress."),
    tableOf(["namespace", "pods", "ingress", "egress", "deny all", "not isolated"], c.namespaces.map((n) =>
      [make("a", { href: "#open=" + encodeURIComponent(n.name) }, n.name), n.pods, share(n.ingress, n.pods),
        share(n.egress, n.pods), deny(n.denyAll), few(n.notIsolated)])));
  if (c.hostNetwork.length) {
    byId("coverage").append(make("h3", {}, "Out of reach of any policy (hostNetwork)"), make("p", {}, few(c.hostNetwork)));
  }
  if (c.audited.length) {
    byId("coverage").append(make("h3", {}, "Audited, so that they isolate nobody"), make("p", {}, few(c.audited)));
  }
  if (c.unused.length) {
    byId("coverage").append(make("h3", {}, "Policies that select nobody"), tableOf(["policy", "selects", "meant"],
      c.unused.map((u) => [u.policy, u.selector, u.meant && u.meant + "?"])));
  }
}

// few lists names, the first twelve of them.
const few = (names) => names.slice(0, 12).join(", ") + (names.length > 12 ? ` and ${names.length - 12} more` : "") || "–";

function drawLint() {
  byId("findings").textContent = data.findings.length || "";
  if (data.findings.length === 0) byId("lint").append(make("p", { class: "good" }, `Nothing was found${inPart}.`));
  for (const f of data.findings) {
    const place = f.file && (f.line ? `${f.file}:${f.line}` : f.file);
    byId("lint").append(make("div", { class: "finding " + f.severity },
      make("p", {}, make("b", {}, f.message)),
      make("p", { class: "name" }, [f.object, f.field].filter(Boolean).join(" ")),
      make("p", {}, f.fix), make("p", { class: "note" }, [f.severity, f.check, place].filter(Boolean).join(" · "))));
  }
}

function drawDiff() {
  const d = data.diff;
  byId("tab-diff").hidden = !d;
  byId("diff").classList.toggle("empty", !d);
  if (!d) return;
  const links = (list) => tableOf(["from", "to", "port", "pairs of pods"], list.map((l) => [l.from, l.to, l.port, l.pairs]));
  const pods = (list) => tableOf(["workload", "direction", "pods", "by"], list.map((i) => [i.workload, i.direction, i.pods, i.by.join(", ")]));
  const parts = [["Policies", d.policies, (list) => tableOf(["policy", "is"], list.map((p) => [p.policy, p.change]))],
    ["Cuts", d.cuts, links], ["Opens", d.opens, links],
    ["Isolates", d.isolates, pods], ["Frees", d.frees, pods]];
  for (const [title, list, draw] of parts) {
    byId("diff").append(make("h3", {}, `${title}: ${list.length || "nothing"}`));
    if (list.length) byId("diff").append(draw(list));
  }
}

// watchGraph makes the arrows of a namespace stand out while it is looked at.
function watchGraph() {
  const svg = byId("graph").querySelector("svg");
  const look = (node) => {
    svg.classList.toggle("chosen", Boolean(node));
    for (const edge of svg.querySelectorAll(".edge")) {
      edge.classList.toggle("near", Boolean(node) && [edge.dataset.from, edge.dataset.to].includes(node.dataset.space));
    }
  };
  for (const node of svg.querySelectorAll(".node")) {
    for (const on of ["mouseenter", "focus"]) node.addEventListener(on, () => look(node));
    for (const off of ["mouseleave", "blur"]) node.addEventListener(off, () => look(null));
  }
}

const tabs = [...document.querySelectorAll('[role="tab"]')];

// openTab shows one view and hides the others.
function openTab(name) {
  const tab = tabs.find((t) => t.id === "tab-" + name && !t.hidden);
  if (!tab) return;
  for (const t of tabs) {
    t.setAttribute("aria-selected", String(t === tab));
    t.tabIndex = t === tab ? 0 : -1;
    byId(t.getAttribute("aria-controls")).hidden = t !== tab;
  }
}

// go follows a link of this page, also one that is shown already.
function go(hash) {
  if (location.hash === hash || hash === "#" && location.hash === "") follow();
  else location.hash = hash;
}

// follow shows what the address asks for: #why=a,b:8080, #of=a, #open=namespace, #tab=lint.
function follow() {
  const [what, raw = ""] = location.hash.slice(1).split(/=(.*)/s);
  const value = decoded(raw);
  byId("answer").textContent = "";
  byId("why").hidden = true;
  mark();
  // In a link commas and colons of names are encoded, so that those which are left separate.
  if (what === "why" && raw.includes(",")) {
    const [from, rest] = raw.split(",");
    const [to, port] = nameAndPort(rest);
    answer(question(decoded(from), decoded(to), port && decoded(port)));
  } else if (what === "why" || what === "of") answer(question(value));
  else if (what === "tab") openTab(value);
  else if (what === "open") {
    const space = data.spaces.findIndex((s) => s.name === value && !s.outside);
    if (space < 0) return;
    unfolded.add(space);
    drawGrid();
    openTab("reach");
  }
}

// decoded is a part of an address in plain letters; one that is no address stays as it is.
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

// answer answers a question, or says what is wrong with it.
function answer(question) {
  if (question.error) byId("answer").textContent = question.error;
  else if (question.to === undefined) showWorkload(question.from);
  else showWhy(question.from, question.to, question.port);
}

// setUp connects the page's parts with what people do.
function setUp() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = parse(byId("query").value);
    if (asked.error) answer(asked);
    else go(asked.to === undefined ? linkOf(asked.from) : linkTo(asked.from, asked.to, asked.port));
  });
  byId("grid").addEventListener("click", (event) => {
    const td = event.target.closest("td");
    if (td) choose(td);
  });
  byId("grid").addEventListener("keydown", move);
  byId("fold").addEventListener("click", () => { unfolded.clear(); drawGrid(); });
  byId("unfold").addEventListener("click", () => { data.spaces.forEach((_, s) => unfolded.add(s)); drawGrid(); });
  byId("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      !document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  byId("tabs").addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) go("#tab=" + tab.getAttribute("aria-controls"));
  });
  byId("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const shown = tabs.filter((t) => !t.hidden);
    const next = shown[(shown.indexOf(document.activeElement) + step + shown.length) % shown.length];
    next.focus();
    go("#tab=" + next.getAttribute("aria-controls"));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("why").hidden) go("#");
    if (event.key === "/" && document.activeElement.tagName !== "INPUT") {
      event.preventDefault();
      byId("query").focus();
    }
  });
  addEventListener("hashchange", follow);
}

// Up to this many workloads everything is unfolded at first.
if (data.workloads.length <= 40) data.spaces.forEach((_, s) => unfolded.add(s));
byId("names").append(...data.workloads.slice(0, 2000).map((_, i) => make("option", { value: askedAs(i) })));
byId("audit").hidden = !anyAudited;
byId("part").textContent = inPart && `Columns, coverage and findings are those of namespace ${data.namespace} alone.`;
byId("arrows").textContent = inPart && `Arrows to other namespaces than ${data.namespace} are not part of this report.`;
byId("host").textContent = data.host.length ? `Left out, on their nodes' network: ${few(data.host)}` : "";
drawGrid();
drawCoverage();
drawLint();
drawDiff();
watchGraph();
setUp();
openTab("reach");
follow();
