const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const { runs, metrics, items } = data;
const COLOURS = [
  "#4477aa", "#ee6677", "#228833", "#c9a227", "#43a9c9", "#aa3377", "#8c8c8c", "#e07b39", "#7a6bd0", "#3aa088",
  "#b0586a", "#6f8f2f", "#9a6b3f", "#5b7fd6", "#c05fb8", "#2f7f8f", "#d08a7a", "#708090", "#a39b2d", "#86507c",
];
const colour = (run) => COLOURS[run % COLOURS.length];

// Elements are made of text only: nothing in a name or a prompt is ever read as markup.
function el(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key.includes("-") || key === "role" || key === "colspan" || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

const dot = (run) => {
  const made = el("span", { className: "dot", "aria-hidden": "true" });
  made.style.setProperty("--run", colour(run));
  return made;
};

// A long label breaks after its marks and not inside of a word.
const breaking = (text) => text.split(/(?<=[_[,=/])/).flatMap((part, k) => (k ? [el("wbr"), part] : [part]));

const runName = (run) => [dot(run), el("bdi", {}, runs[run].name)];

function figure(value, digits) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 10 ** -digits / 2)) return value.toPrecision(3);
  return value.toFixed(digits);
}

const ARROWS = { higher: "↑", lower: "↓", none: "" };
const heading = (m) => [metrics[m].label, ARROWS[metrics[m].better], metrics[m].unit && "(" + metrics[m].unit + ")"].filter(Boolean).join(" ");
const valueOf = (run, metric, item) => {
  const held = data.values[run][metric];
  return held ? held[item] : null;
};
const clipMetrics = metrics.map((_, m) => m).filter((m) => metrics[m].perClip);
const better = (m, a, b) => (metrics[m].better === "lower" ? a < b : a > b);

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text)));
}

let saying;
function say(text) {
  at("said").textContent = text;
  clearTimeout(saying);
  saying = setTimeout(() => { at("said").textContent = ""; }, 1600);
}

async function copy(text, what) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch { // no clipboard without a secure context, or the browser asks first
    const area = el("textarea", { value: text, readOnly: true });
    (document.querySelector("dialog[open]") || document.body).append(area);
    area.select();
    try { done = document.execCommand("copy"); } catch { done = false; }
    area.remove();
  }
  say(done ? what + " copied" : "this browser does not let a page copy; select the text instead");
}

const copyButton = (what, text) => {
  const button = el("button", { type: "button", className: "small", title: "copy" }, what);
  button.addEventListener("click", (event) => { event.stopPropagation(); copy(text, what); });
  return button;
};

// A table that sorts by its headings. `rows` have a key for each column: a number, a text, or null, which is always last.
function sortable(columns, rows, { limit = Infinity, sorted = null, onSort = null } = {}) {
  const body = el("tbody"), state = { by: sorted ? sorted[0] : -1, down: sorted ? sorted[1] : false, limit };
  const heads = columns.map((column, k) => {
    const head = el("th", { scope: "col", className: column.left ? "left" : "" });
    if (column.plain) { head.append(column.text); return head; }
    const button = el("button", { type: "button" }, column.text);
    button.addEventListener("click", () => {
      const down = state.by === k ? !state.down : Boolean(column.down);
      Object.assign(state, { by: k, down });
      show();
      if (onSort) onSort(k, down);
    });
    head.append(button);
    return head;
  });
  function show() {
    if (state.by >= 0) order(rows, (row) => row.keys[state.by], state.down);
    heads.forEach((head, k) => {
      if (k === state.by) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(...rows.slice(0, state.limit).map((row) => (row.made ||= row.make())));
  }
  show();
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body);
  return { table, more(by) { state.limit += by; show(); }, get hidden() { return Math.max(0, rows.length - state.limit); }, order: () => rows };
}

const collator = new Intl.Collator("en", { numeric: true });
function order(rows, key, down) {
  const sign = down ? -1 : 1;
  rows.sort((a, b) => {
    const x = key(a), y = key(b);
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "number" ? x - y : collator.compare(x, y));
  });
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const darkness = matchMedia("(prefers-color-scheme: dark)");
