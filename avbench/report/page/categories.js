function categories() {
  const facets = data.facets;
  const split = metrics.map((_, m) => m).filter((m) => facets.some((f) => f.means.some((of) => of[m])));
  if (!split.length) {
    at("categories-body").hidden = true;
    at("categories-none").hidden = false;
    if (facets.length) at("categories-none").textContent = "No metric of these runs has numbers that could be split by category.";
    return;
  }
  options(at("facet"), facets.map((f, k) => [k, f.name + " (" + f.labels.length + ")"]), 0);
  options(at("facet-metric"), split.map((m) => [m, metrics[m].label]), split.find((m) => metrics[m].perClip) ?? split[0]);
  const draw = () => {
    const f = Number(at("facet").value), facet = facets[f], m = Number(at("facet-metric").value), digits = metrics[m].digits;
    const used = runs.map((_, r) => r).filter((r) => facet.means[r][m]);
    const rows = [], classNames = told(facet.labels);
    facet.labels.forEach((label, k) => used.forEach((r) => {
      const cell = facet.means[r][m][k];
      if (!cell) return;
      const [value, half, n] = cell;
      rows.push({ label: classNames[k], run: plotName[r], value, low: half === null ? null : value - half, high: half === null ? null : value + half, tip: { class: label, run: plotName[r], mean: figure(value, digits), interval: half === null ? "none" : "± " + figure(half, digits), clips: n } });
    }));
    chart(at("facet-chart"), "categories", (spec) => {
      domain(spec, used);
      if (used.length === 1) spec.encoding.color.legend = null;
      spec.height = { step: Math.max(7, Math.min(16, 60 / used.length)) };
      if (used.length === 1) spec.height = { step: 20 };
      spec.layer[1].encoding.x.title = heading(m);
      spec.layer.forEach((layer) => { layer.encoding.tooltip = { field: "tip" }; });
      if (rows.every((row) => row.low === null)) spec.layer.shift();
    }, { rows });
    const columns = [{ text: "class" }, ...used.map((r) => ({ text: el("span", {}, ...runName(r)), down: metrics[m].better === "higher" })), { text: "items", down: true }];
    const lines = facet.labels.map((label, k) => {
      const cells = used.map((r) => facet.means[r][m][k]), values = cells.map((c) => (c ? c[0] : null));
      const best = values.reduce((a, v) => (v !== null && metrics[m].better !== "none" && (a === null || better(m, v, a)) ? v : a), null);
      return {
        keys: [label, ...values, facet.items[k].length],
        make: () => {
          const head = el("th", { scope: "row" }, el("bdi", {}, label));
          const row = el("tr", { title: "show these clips" }, head, ...cells.map((c) => {
            const cell = el("td", {});
            if (!c) { cell.append("–"); return cell; }
            const text = figure(c[0], digits);
            cell.append(c[0] === best && used.length > 1 ? el("strong", {}, text) : text);
            if (c[1] !== null) cell.append(el("span", { className: "interval" }, " ±" + figure(c[1], digits)));
            if (c[2] !== facet.items[k].length) cell.append(el("span", { className: "count" }, " n=" + c[2]));
            return cell;
          }), el("td", {}, String(facet.items[k].length)));
          row.dataset.item = "";
          row.addEventListener("click", () => showClass(f, k));
          return row;
        },
      };
    });
    at("facet-table").replaceChildren(sortable(columns, lines).table);
  };
  at("facet").addEventListener("change", draw);
  at("facet-metric").addEventListener("change", draw);
  draw();
}
