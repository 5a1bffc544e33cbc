const opened = { item: 0, list: null, facet: null };

function clips() {
  if (!items.length) {
    at("clips").replaceChildren(el("h2", {}, "Clips"), el("p", { className: "empty" }, "The runs have no items."));
    return;
  }
  options(at("clip-metric"), clipMetrics.map((m) => [m, metrics[m].label]), clipMetrics.find((m) => metrics[m].better !== "none") ?? clipMetrics[0]);
  options(at("clip-run"), runs.map((run, r) => [r, run.name]), 0);
  const classes = data.facets.flatMap((f, k) => f.labels.map((label, j) => [k + "," + j, f.name + ": " + label + " (" + f.items[j].length + ")"]));
  options(at("class"), [["", "all items"], ...classes], "");
  at("class").parentElement.hidden = !classes.length;
  at("jumps").querySelectorAll("label, #to-best, #to-worst, #to-different").forEach((part) => { part.hidden = !clipMetrics.length; });
  if (runs.length < 2) { at("clip-run").parentElement.hidden = true; at("to-different").hidden = true; }
  transport();
  at("to-best").addEventListener("click", () => jump("best"));
  at("to-worst").addEventListener("click", () => jump("worst"));
  at("to-different").addEventListener("click", () => jump("different"));
  at("previous").addEventListener("click", () => walk(-1));
  at("next").addEventListener("click", () => walk(1));
  at("clip-metric").addEventListener("change", () => { list(); showValues(); });
  at("clip-run").addEventListener("change", () => { jumped.why = ""; });
  at("find").addEventListener("input", () => list());
  at("class").addEventListener("change", () => list());
  at("more").addEventListener("click", () => { opened.list.more(200); count(); });
  list();
  const first = opened.list.order().find((row) => data.clips[row.item]);
  openItem((first || opened.list.order()[0]).item, false);
}

const metric = () => (clipMetrics.length ? Number(at("clip-metric").value) : -1);

// How far apart the runs are on an item; the sign of a direction plays no part.
function apart(m, item) {
  const found = runs.map((_, r) => valueOf(r, m, item)).filter((v) => v !== null);
  return found.length > 1 ? Math.max(...found) - Math.min(...found) : null;
}

const jumped = { why: "", place: -1, order: [] };
function jump(what) {
  if (!clipMetrics.length) return;
  const m = metric(), run = Number(at("clip-run").value), why = what + m + "," + run;
  if (jumped.why !== why) {
    const key = what === "different" ? (item) => apart(m, item) : (item) => valueOf(run, m, item);
    const rows = items.map((_, item) => ({ item, key: key(item) })).filter((row) => row.key !== null);
    order(rows, (row) => row.key, what === "different" || (what === "best") === (metrics[m].better !== "lower"));
    Object.assign(jumped, { why, place: -1, order: rows });
  }
  if (!jumped.order.length) { say("no clip has this number" + (what === "different" ? " in two runs" : "")); return; }
  jumped.place = (jumped.place + 1) % jumped.order.length;
  openItem(jumped.order[jumped.place].item, false);
  say({ best: "best", worst: "worst", different: "most different" }[what] + " " + (jumped.place + 1) + " of " + jumped.order.length + "; click again for the next");
}

function walk(by) {
  const rows = opened.list.order();
  if (!rows.length) return;
  const place = rows.findIndex((row) => row.item === opened.item);
  openItem(rows[(place + by + rows.length) % rows.length].item, false);
}

function showClass(facet, label) {
  at("class").value = facet + "," + label;
  list();
  const first = opened.list.order().find((row) => data.clips[row.item]) || opened.list.order()[0];
  if (first) openItem(first.item, true);
}

function list() {
  const m = metric(), text = at("find").value.trim().toLowerCase(), [f, k] = at("class").value ? at("class").value.split(",").map(Number) : [null, null];
  const among = f === null ? items.map((_, item) => item) : data.facets[f].items[k];
  const shown = among.filter((item) => !text || (items[item].id + " " + items[item].prompt).toLowerCase().includes(text));
  const down = m >= 0 && metrics[m].better !== "lower";
  const columns = [
    { text: "item" },
    ...(m >= 0 ? runs.map((_, r) => ({ text: el("span", {}, ...runName(r)), down })) : []),
    ...(m >= 0 && runs.length > 1 ? [{ text: "apart", down: true }] : []),
  ];
  const rows = shown.map((item) => {
    const values = m >= 0 ? runs.map((_, r) => valueOf(r, m, item)) : [], gap = m >= 0 && runs.length > 1 ? [apart(m, item)] : [];
    return {
      item,
      keys: [items[item].id, ...values, ...gap],
      make: () => {
        const name = el("th", { scope: "row" }, el("button", { type: "button" }, el("bdi", {}, items[item].id)));
        const row = el("tr", { title: items[item].prompt }, name, ...[...values, ...gap].map((v) => el("td", {}, figure(v, metrics[m].digits))));
        row.dataset.item = item;
        if (item === opened.item) row.setAttribute("aria-current", "true");
        row.addEventListener("click", () => openItem(item, true));
        return row;
      },
    };
  });
  opened.list = sortable(columns, rows, { limit: 200, sorted: opened.sorted || null, onSort: (by, to) => { opened.sorted = [by, to]; place(); } });
  at("list").replaceChildren(rows.length ? opened.list.table : el("p", { className: "empty" }, "no item like that"));
  count();
  place();
}

function count() {
  at("more").hidden = opened.list.hidden === 0;
  const total = opened.list.order().length;
  at("found").textContent = total === items.length ? items.length + " items" : total + " of " + items.length + " items";
}

function place() {
  const rows = opened.list.order(), found = rows.findIndex((row) => row.item === opened.item);
  at("position").textContent = (found < 0 ? "–" : found + 1) + " of " + rows.length;
}

function openItem(item, scroll) {
  opened.item = item;
  at("list").querySelectorAll("tr[aria-current]").forEach((row) => row.removeAttribute("aria-current"));
  const row = at("list").querySelector('tr[data-item="' + item + '"]');
  if (row) row.setAttribute("aria-current", "true");
  at("item-id").textContent = items[item].id;
  at("item-prompt").textContent = items[item].prompt;
  place();
  showPlayers(item);
  showValues();
  if (scroll) at("stage").scrollIntoView({ block: "start" });
}

function showValues() {
  const item = opened.item, m = metric();
  stage.cells.forEach((cell) => { cell.value.textContent = m >= 0 ? metrics[m].label.split("[")[0] + " " + figure(valueOf(cell.run, m, item), metrics[m].digits) : ""; });
  at("item-values-box").hidden = !clipMetrics.length;
  const columns = [{ text: "metric" }, ...runs.map((_, r) => ({ text: el("span", {}, ...runName(r)) }))];
  const rows = clipMetrics.map((k) => {
    const values = runs.map((_, r) => valueOf(r, k, item)), held = values.filter((v) => v !== null);
    const best = metrics[k].better === "none" || held.length < 2 ? null : held.reduce((a, v) => (better(k, v, a) ? v : a));
    return {
      keys: [metrics[k].label, ...values],
      make: () => el("tr", {}, el("th", { scope: "row" }, heading(k)), ...values.map((v) => {
        const text = figure(v, metrics[k].digits);
        return el("td", {}, v !== null && v === best && held.some((other) => other !== best) ? el("strong", {}, text) : text);
      })),
    };
  });
  at("item-values").replaceChildren(sortable(columns, rows).table);
}
