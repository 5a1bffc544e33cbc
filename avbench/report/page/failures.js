const MOST_SHOWN = 60;

function failures() {
  const { unscored, flags, others } = data.failures, place = at("failures-body");
  if (unscored.length) {
    place.append(el("h3", {}, "Without a number"), reasons(unscored));
  } else {
    place.append(el("p", { className: "empty" }, metrics.length ? "Every clip has a number on every metric." : "The runs have no metric."));
  }
  if (flags.length) place.append(el("h3", {}, "Scored, but to be known"), reasons(flags));
  others.forEach((files, run) => {
    if (!files.length) return;
    const box = el("details", {}, el("summary", {}, ...runName(run), ": " + files.length + " files in the folder that are no clips of this run"));
    once(box, () => el("ul", {}, ...files.slice(0, 300).map(([name, why]) => el("li", {}, el("bdi", {}, name), ": " + why)), ...(files.length > 300 ? [el("li", {}, "and " + (files.length - 300) + " more")] : [])));
    place.append(box);
  });
}

// What a box holds is made when it is first opened.
function once(box, make) {
  box.addEventListener("toggle", () => { if (box.open && !box.dataset.made) { box.dataset.made = "1"; box.append(make()); } });
}

function reasons(entries) {
  const columns = [{ text: "reason" }, ...runs.map((_, r) => ({ text: el("span", {}, ...runName(r)), down: true })), { text: "clips", plain: true, left: true }];
  const rows = entries.map((entry) => {
    const counts = entry.clips.map((clips) => new Set(clips.map((c) => c[0])).size);
    return {
      keys: [entry.code, ...counts],
      make: () => {
        const box = el("details", {}, el("summary", {}, "show"));
        once(box, () => el("div", {}, ...runs.map((_, r) => listed(entry.clips[r], r)).filter(Boolean)));
        const why = el("th", { scope: "row" }, el("code", {}, entry.code));
        if (entry.meaning) why.append(el("div", { className: "count" }, entry.meaning));
        return el("tr", {}, why, ...counts.map((n) => el("td", {}, n ? String(n) : "–")), el("td", { className: "text" }, box));
      },
    };
  });
  return el("div", { className: "wide" }, sortable(columns, rows).table);
}

function listed(clips, run) {
  if (!clips.length) return null;
  const lines = clips.slice(0, MOST_SHOWN).map(([item, detail, which]) => {
    const open = el("button", { type: "button", className: "small" }, el("bdi", {}, items[item].id));
    open.addEventListener("click", () => openItem(item, true));
    const said = [detail, which.length ? "(" + which.map((m) => metrics[m].label).join(", ") + ")" : ""].filter(Boolean).join(" ");
    return el("li", {}, open, " " + said);
  });
  if (clips.length > MOST_SHOWN) lines.push(el("li", {}, "and " + (clips.length - MOST_SHOWN) + " more, all in the run's result.json"));
  return el("div", {}, el("p", {}, ...runName(run)), el("ul", {}, ...lines));
}
