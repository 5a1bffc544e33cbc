const drawn = new Map(), waiting = new WeakMap();
const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (entry.isIntersecting && waiting.has(entry.target)) {
    const draw = waiting.get(entry.target);
    waiting.delete(entry.target);
    near.unobserve(entry.target);
    draw();
  }
}), { rootMargin: "600px" });

function themed() {
  const [ink, soft, line] = [style("--ink"), style("--soft"), style("--line")];
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { labelColor: soft, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 11, titleFontSize: 12, titleFontWeight: 500, titleLimit: 380 },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12 },
    text: { color: ink, fontSize: 11 },
    boxplot: { rule: { color: soft } },
    range: { category: runs.map((_, run) => colour(run)) },
  };
}

// Draw when the place comes near the screen; draw again when it is asked for, or light turns to dark.
function chart(place, name, change, datasets, onClick) {
  const draw = async () => {
    const spec = structuredClone(data.plots[name]);
    change(spec);
    spec.datasets = datasets;
    try {
      (drawn.get(place) || { finalize() {} }).finalize();
      const made = await vegaEmbed(place, spec, { mode: "vega-lite", actions: false, ast: true, renderer: "svg", defaultStyle: false, config: themed(), tooltip: (_, event, item, value) => tip(event, value && item && item.datum ? item.datum.tip : null) });
      drawn.set(place, made);
      if (onClick) made.view.addEventListener("click", (_, item) => { if (item && item.datum && item.datum.item !== undefined) onClick(item.datum); });
    } catch (error) {
      place.replaceChildren(el("p", { className: "empty" }, "this plot could not be drawn: " + error.message));
    }
  };
  place.redraw = draw;
  waiting.set(place, draw);
  near.observe(place);
}

darkness.addEventListener("change", () => drawn.forEach((_, place) => place.isConnected && place.redraw()));

// The tooltip is text; Vega's own would make markup of what it is given.
function tip(event, value) {
  document.querySelectorAll(".tip").forEach((old) => old.remove());
  if (!value || !event || typeof value !== "object") return;
  const box = el("pre", { className: "tip" }, Object.entries(value).map(([k, v]) => k + ": " + v).join("\n"));
  document.body.append(box);
  const gap = 14, wide = box.offsetWidth, x = event.clientX + gap + wide > innerWidth ? event.clientX - gap - wide : event.clientX + gap;
  box.style.left = Math.max(4, x) + "px";
  box.style.top = Math.min(innerHeight - box.offsetHeight - 4, event.clientY + gap) + "px";
}

// Names may be equal once they are made visible; those of a plot must not be.
const told = (names) => names.map((name, k) => (names.indexOf(name) < k ? name + " #" + (k + 1) : name));
const plotName = told(runs.map((run) => run.name));
const domain = (spec, used) => { spec.encoding.color.scale = { domain: used.map((r) => plotName[r]), range: used.map(colour) }; };

const brief = metrics.map((metric) => {
  const name = metric.label.split("[")[0];
  return metrics.filter((other) => other.label.split("[")[0] === name).length === 1 ? name : metric.label;
});

function plots() {
  intervals();
  scatter();
  spread();
  radar();
}

function intervals() {
  const shown = metrics.map((_, m) => m).filter((m) => !metrics[m].always || metrics.every((x) => x.always));
  let left = 0;
  for (const m of shown) {
    const rows = runs.map((_, r) => [r, data.numbers[r][m]]).filter(([, n]) => n && n.value !== null)
      .map(([r, n]) => ({ run: plotName[r], value: n.value, low: n.low, high: n.high, tip: { run: plotName[r], value: figure(n.value, metrics[m].digits), interval: n.low === null ? "none" : figure(n.low, metrics[m].digits) + " … " + figure(n.high, metrics[m].digits), clips: n.n } }));
    if (!rows.length) { left++; continue; }
    const place = el("div", { className: "chart" });
    at("intervals").append(el("figure", {}, el("figcaption", {}, heading(m)), place));
    chart(place, "interval", (spec) => {
      spec.encoding.color.scale = { domain: plotName, range: runs.map((_, r) => colour(r)) };
      spec.encoding.tooltip = { field: "tip" };
      if (rows.every((row) => row.low === null)) spec.layer.shift();
    }, { rows });
  }
  at("intervals-said").textContent = "A dot per run with its 95 % interval, where the metric has one." + (left ? " " + left + " metrics have no number in any run." : "");
}

function pickers(select, chosen, redraw) {
  options(select, clipMetrics.map((m) => [m, metrics[m].label]), chosen);
  select.addEventListener("change", redraw);
}

function none(place) {
  const controls = place.parentElement.querySelector(":scope > .controls:has(+ #" + place.id + ")");
  if (controls) controls.hidden = true;
  place.replaceChildren(el("p", { className: "empty" }, "No metric of these runs has a number for each clip."));
}

function clipTip(run, item, pairs) {
  const out = { clip: items[item].id, run: plotName[run] };
  for (const [m, value] of pairs) out[metrics[m].label] = figure(value, metrics[m].digits);
  return out;
}

function scatter() {
  if (clipMetrics.length === 1) { at("scatter").parentElement.hidden = true; return; }
  if (!clipMetrics.length) { none(at("scatter")); return; }
  const draw = () => {
    const x = Number(at("scatter-x").value), y = Number(at("scatter-y").value), rows = [], said = [];
    runs.forEach((_, run) => {
      const pairs = [];
      items.forEach((_, item) => {
        const a = valueOf(run, x, item), b = valueOf(run, y, item);
        if (a === null || b === null) return;
        pairs.push([a, b]);
        rows.push({ run: plotName[run], x: a, y: b, item, tip: clipTip(run, item, x === y ? [[x, a]] : [[x, a], [y, b]]) });
      });
      const rho = spearman(pairs);
      if (rho !== null) said.push(plotName[run] + " " + rho.toFixed(2));
    });
    at("scatter-said").textContent = rows.length ? "A point per clip. Spearman's rank correlation: " + (said.join(", ") || "too few clips") + "." : "";
    if (!rows.length) { at("scatter").replaceChildren(el("p", { className: "empty" }, "No clip has both numbers.")); return; }
    chart(at("scatter"), "scatter", (spec) => {
      spec.encoding.color.scale = { domain: plotName, range: runs.map((_, r) => colour(r)) };
      if (runs.length === 1) spec.encoding.color.legend = null;
      spec.encoding.x.title = heading(x);
      spec.encoding.y.title = heading(y);
      spec.encoding.tooltip = { field: "tip" };
    }, { rows }, (datum) => openItem(datum.item, true));
  };
  const ranked = clipMetrics.filter((m) => metrics[m].better !== "none");
  const pair = ranked.length > 1 ? ranked : clipMetrics;
  pickers(at("scatter-x"), pair[0], draw);
  pickers(at("scatter-y"), pair[1] === undefined ? pair[0] : pair[1], draw);
  draw();
}

function ranks(values) {
  const placed = values.map((v, k) => [v, k]).sort((a, b) => a[0] - b[0]), out = [];
  for (let k = 0; k < placed.length;) {
    let end = k;
    while (end < placed.length && placed[end][0] === placed[k][0]) end++;
    for (let j = k; j < end; j++) out[placed[j][1]] = (k + end - 1) / 2;
    k = end;
  }
  return out;
}

function spearman(pairs) {
  if (pairs.length < 3) return null;
  const a = ranks(pairs.map((p) => p[0])), b = ranks(pairs.map((p) => p[1])), middle = (pairs.length - 1) / 2;
  let ab = 0, aa = 0, bb = 0;
  a.forEach((v, k) => { ab += (v - middle) * (b[k] - middle); aa += (v - middle) ** 2; bb += (b[k] - middle) ** 2; });
  return aa && bb ? ab / Math.sqrt(aa * bb) : null;
}

function spread() {
  if (!clipMetrics.length) { none(at("spread")); return; }
  const draw = () => {
    const m = Number(at("spread-metric").value), rows = [];
    runs.forEach((_, run) => items.forEach((_, item) => {
      const value = valueOf(run, m, item);
      if (value !== null) rows.push({ run: plotName[run], value, item, tip: clipTip(run, item, [[m, value]]) });
    }));
    chart(at("spread"), "spread", (spec) => {
      spec.encoding.color.scale = { domain: plotName, range: runs.map((_, r) => colour(r)) };
      spec.encoding.x.title = heading(m);
      spec.layer[0].encoding = { tooltip: { field: "tip" } };
    }, { rows }, (datum) => openItem(datum.item, true));
  };
  pickers(at("spread-metric"), clipMetrics[0], draw);
  draw();
}

function radar() {
  const corners = metrics.map((_, m) => m).filter((m) => !metrics[m].always && data.standing.every((of) => of[m] !== null)).slice(0, 16);
  if (runs.length < 2 || runs.length > 6 || corners.length < 3) { at("radar-box").hidden = true; return; }
  const angle = (k) => Math.PI / 2 - (2 * Math.PI * k) / corners.length;
  const point = (k, length) => ({ x: length * Math.cos(angle(k)), y: length * Math.sin(angle(k)), order: k });
  const rows = [], grid = [], names = [];
  for (let k = 0; k <= corners.length; k++) {
    const m = corners[k % corners.length];
    runs.forEach((_, run) => {
      const share = data.standing[run][m];
      rows.push({ ...point(k, share), order: k, run: plotName[run], tip: { run: plotName[run], metric: heading(m), "beats, of all clips": share.toFixed(2) } });
    });
    for (const ring of [0.25, 0.5, 0.75, 1]) grid.push({ ...point(k, ring), order: k, ring });
    if (k < corners.length) {
      const { x, y } = point(k, 1.12);
      names.push({ x, y, order: k, text: brief[m], align: x > 0.15 ? "left" : x < -0.15 ? "right" : "center" });
    }
  }
  chart(at("radar"), "radar", (spec) => {
    // A circle whatever the width: as many units across as the height has up.
    const wide = Math.max(200, at("radar").clientWidth), tall = Math.min(400, wide), half = (1.3 * wide) / tall;
    spec.height = tall;
    spec.encoding.x.scale = { domain: [-half, half] };
    spec.layer[1].mark.limit = Math.max(60, (wide / 2) * (1 - 1 / half));
    const top = spec.layer[2];
    top.encoding.color.scale = { domain: plotName, range: runs.map((_, r) => colour(r)) };
    top.encoding.tooltip = { field: "tip" };
  }, { rows, grid, corners: names });
}
