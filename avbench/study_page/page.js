"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const pairwise = study.kind === "ab";
let annotator = "", order = [], place = 0, answers = {};

// Numbers drawn from a text: the same annotator of the same study sees the same order again.
function drawn(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(count, next) {
  const out = Array.from({ length: count }, (_, k) => k);
  for (let k = count - 1; k > 0; k--) {
    const other = Math.floor(next() * (k + 1));
    [out[k], out[other]] = [out[other], out[k]];
  }
  return out;
}

const key = () => "avbench-study " + study.study + " " + annotator;

function keep() {
  try { localStorage.setItem(key(), JSON.stringify({ answers, place })); } catch { /* private windows keep nothing */ }
}

function begin(event) {
  event.preventDefault();
  annotator = at("name").value.trim();
  if (!annotator) return;
  order = shuffled(study.questions.length, drawn(study.seed + " " + annotator));
  try {
    const kept = JSON.parse(localStorage.getItem(key()) || "null");
    if (kept) ({ answers, place } = kept);
  } catch { answers = {}; place = 0; }
  at("start").hidden = true;
  at("save").hidden = false;
  show();
}

function show() {
  const done = place >= order.length;
  at("question").hidden = done;
  at("end").hidden = !done;
  at("count").textContent = Math.min(place + 1, order.length) + " of " + order.length;
  at("clips").replaceChildren();
  at("scales").replaceChildren();
  at("said").textContent = "";
  if (done) return;
  const question = order[place];
  study.questions[question].forEach((clip, side) => {
    const figure = document.createElement("figure");
    if (pairwise) {
      const caption = document.createElement("figcaption");
      caption.textContent = side ? "B" : "A";
      figure.append(caption);
    }
    const video = document.createElement("video");
    Object.assign(video, { src: study.media[clip], controls: true, playsInline: true, loop: false, preload: "auto" });
    video.setAttribute("aria-label", pairwise ? "clip " + (side ? "B" : "A") : "clip");
    video.addEventListener("play", () => document.querySelectorAll("video").forEach((v) => v !== video && v.pause()));
    figure.append(video);
    at("clips").append(figure);
  });
  study.dimensions.forEach((name, number) => at("scales").append(scale(question, name, number)));
  at("back").disabled = place === 0;
  at("next").textContent = place + 1 < order.length ? "Next" : "Finish";
  window.scrollTo(0, 0);
}

function scale(question, name, number) {
  const field = document.createElement("fieldset"), legend = document.createElement("legend");
  legend.textContent = name;
  const row = document.createElement("div");
  row.className = "scale";
  const values = pairwise
    ? [["a", "A is better"], ["tie", "no difference"], ["b", "B is better"]]
    : Array.from({ length: 11 }, (_, k) => [String(k / 2), String(k / 2)]);
  for (const [value, said] of values) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "d" + number, value, required: true });
    input.checked = (answers[question] || {})[name] === value;
    input.addEventListener("change", () => {
      answers[question] = { ...answers[question], [name]: value };
      keep();
    });
    label.append(input, said);
    row.append(label);
  }
  field.append(legend, row);
  if (!pairwise) {
    const ends = document.createElement("div");
    ends.className = "ends";
    ends.innerHTML = "<span>0 bad</span><span>5 excellent</span>";
    field.append(ends);
  }
  return field;
}

function move(by) {
  place = Math.max(0, Math.min(order.length, place + by));
  keep();
  show();
}

const cell = (text) => (/[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);

function table() {
  const rows = [pairwise
    ? ["clip_a", "clip_b", "winner", "annotator", "dimension", "prompt", "system_a", "system_b"]
    : ["clip", "annotator", "dimension", "score", "prompt", "system"]];
  for (const question of order) {
    const [a, b] = study.questions[question].map((k) => study.clips[k]);
    for (const name of study.dimensions) {
      const value = (answers[question] || {})[name];
      if (value === undefined) continue;
      rows.push(pairwise
        ? [a.id, b.id, value, annotator, name, a.prompt, a.system, b.system]
        : [a.id, annotator, name, value, a.prompt, a.system]);
    }
  }
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = "ratings-" + study.study + "-" + annotator.replace(/[^\w-]+/g, "_") + ".csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  at("said").textContent = "saved";
}

document.title = study.title;
at("title").textContent = study.title;
at("intro").textContent = (pairwise
  ? "You will see two clips at a time and say which is better. "
  : "You will see one clip at a time and rate it from 0 to 5. ")
  + "Please use headphones and play each clip to its end. You can close this page and go on later in the same browser.";
at("start").addEventListener("submit", begin);
at("question").addEventListener("submit", (event) => { event.preventDefault(); move(1); });
at("back").addEventListener("click", () => move(-1));
at("save").addEventListener("click", save);
