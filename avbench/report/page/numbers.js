function copies(run, m) {
  const n = data.numbers[run][m];
  return el("div", { className: "copies" }, copyButton("CLI", runs[run].command), copyButton("signature", n.signature), copyButton("LaTeX", n.latex), copyButton("BibTeX", n.bibtex));
}

function withInterval(n, m) {
  const digits = metrics[m].digits, interval = n.low === null ? "" : " [" + figure(n.low, digits) + ", " + figure(n.high, digits) + "]";
  return [figure(n.value, digits), el("span", { className: "interval" }, interval)];
}

function numbers() {
  const rows = [];
  metrics.forEach((_, m) => runs.forEach((run, r) => {
    const n = data.numbers[r][m];
    if (!n) return;
    rows.push({
      text: (metrics[m].label + " " + run.name + " " + n.signature).toLowerCase(),
      keys: [metrics[m].label, run.name, n.value, n.n],
      make: () => el("tr", {}, el("th", { scope: "row" }, ...breaking(heading(m))), el("td", { className: "text" }, ...runName(r)), el("td", {}, ...withInterval(n, m)), el("td", {}, n.n === n.of ? String(n.n) : n.n + "/" + n.of), el("td", { className: "code" }, el("code", {}, n.signature)), el("td", {}, copies(r, m))),
    });
  }));
  const columns = [{ text: "metric" }, { text: "run", left: true }, { text: "value" }, { text: "clips" }, { text: "signature", plain: true, left: true }, { text: "copy", plain: true, left: true }];
  const draw = () => {
    const text = at("find-number").value.trim().toLowerCase(), found = rows.filter((row) => row.text.includes(text));
    at("number-list").replaceChildren(found.length ? sortable(columns, found).table : el("p", { className: "empty" }, rows.length ? "no number like that" : "There are no numbers."));
  };
  at("find-number").addEventListener("input", draw);
  draw();
}

function explain(run, m) {
  const n = data.numbers[run][m], box = at("explained");
  const part = (what, text) => [el("h4", {}, what, copyButton("copy", text)), el("pre", {}, text)];
  const close = el("button", { type: "button", className: "main" }, "Close");
  close.addEventListener("click", () => box.close());
  box.replaceChildren(
    el("h3", { id: "explained-title" }, heading(m) + " of ", ...runName(run)),
    el("p", {}, metrics[m].title),
    el("p", {}, ...withInterval(n, m), " over " + (n.n === n.of ? n.n : n.n + " of " + n.of) + " clips; interval: " + n.interval),
    ...part("Command", runs[run].command), ...part("Signature", n.signature), ...part("LaTeX", n.latex), ...part("BibTeX", n.bibtex), close,
  );
  box.showModal();
  box.scrollTop = 0;
}

function runList() {
  const facts = [...new Set(runs.flatMap((run) => run.facts.map(([key]) => key)))];
  const columns = [{ text: "", plain: true }, ...runs.map((_, r) => ({ text: el("span", {}, ...runName(r)), plain: true, left: true }))];
  const rows = facts.map((fact) => {
    const values = runs.map((run) => (run.facts.find(([key]) => key === fact) || [fact, "–"])[1]);
    const differs = runs.length > 1 && new Set(values).size > 1 && !["hash of the result", "hash of the clips"].includes(fact);
    return { keys: [], make: () => el("tr", { className: differs ? "differs" : "" }, el("th", { scope: "row" }, fact), ...values.map((v) => el("td", {}, v))) };
  });
  rows.unshift({ keys: [], make: () => el("tr", {}, el("th", { scope: "row" }, "command"), ...runs.map((run) => el("td", {}, el("code", {}, run.command), " ", copyButton("CLI", run.command)))) });
  at("run-list").replaceChildren(el("div", { className: "wide" }, sortable(columns, rows).table));
}
