// Players of one item, driven by one clock: the run that is heard leads, the others follow.
const stage = { cells: [], heard: 0, playing: false, at: 0, length: 0, shape: 1 };
const blobs = new Map();

// Inside of a page a clip is base64; a browser seeks in a blob and not in every data address.
function address(url) {
  if (!url.startsWith("data:")) return url;
  if (!blobs.has(url)) {
    const [head, body] = url.split(",", 2), letters = atob(body), bytes = new Uint8Array(letters.length);
    for (let k = 0; k < letters.length; k++) bytes[k] = letters.charCodeAt(k);
    blobs.set(url, URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] })));
  }
  return blobs.get(url);
}

function forget() {
  pause();
  stage.cells.forEach((cell) => cell.media.forEach((m) => { m.removeAttribute("src"); m.load(); }));
  blobs.forEach((url) => URL.revokeObjectURL(url));
  blobs.clear();
  stage.cells = [];
}

function showPlayers(item) {
  forget();
  stage.at = 0;
  stage.length = 0;
  stage.shape = 1;
  const entries = data.clips[item], curves = data.curves[item];
  at("players").replaceChildren();
  at("transport").hidden = at("playing").hidden = !entries;
  if (!entries) {
    at("players").append(el("p", { className: "empty" }, "This item has no players: the report was built with players for the most telling items only (--players)."));
    return;
  }
  const some = entries.findIndex((e) => e.video || e.audio);
  if (!(entries[stage.heard] && (entries[stage.heard].video || entries[stage.heard].audio))) stage.heard = Math.max(0, some);
  entries.forEach((entry, run) => stage.cells.push(cellOf(entry, curves[run] || {}, run, item)));
  at("players").replaceChildren(...stage.cells.map((c) => c.figure));
  at("transport").hidden = some < 0 && !stage.length;
  offerViews(curves);
  hear(stage.heard);
  drawStrips(item);
  tick();
}

function cellOf(entry, curves, run, item) {
  const cell = { run, curves, media: [], figure: el("figure"), marks: [], end: 0 };
  const listen = el("button", { type: "button", className: "small", hidden: !(entry.video || entry.audio) }, "hear");
  listen.addEventListener("click", () => hear(run));
  cell.listen = listen;
  cell.value = el("span", { className: "value" });
  const screen = el("div", { className: "screen" });
  cell.screen = screen;
  const gone = (text) => screen.replaceChildren(el("p", {}, text));
  if (entry.video) {
    const video = el("video", { playsInline: true, preload: "auto", muted: true, "aria-label": "clip of " + runs[run].name });
    screen.append(video);
    cell.media.push(video);
  } else if (entry.audio) gone("sound without a picture");
  if (entry.audio) {
    const sound = el("audio", { preload: "auto", muted: true });
    cell.media.push(sound);
  }
  cell.media.forEach((player, k) => {
    player.addEventListener("loadedmetadata", () => {
      if (!Number.isFinite(player.duration)) return;
      cell.end = Math.max(cell.end, player.duration);
      if (player.videoWidth) shape(player.videoWidth / player.videoHeight);
      if (cell.end > stage.length) { stage.length = cell.end; at("seek").max = stage.length; drawStrips(item); }
      tick();
    });
    player.addEventListener("error", () => {
      cell.media = cell.media.filter((m) => m !== player);
      if (k === 0) gone("this browser cannot load or play the clip" + (entry.video && !entry.video.startsWith("data:") ? ": " + decode(entry.video) : ""));
    });
    player.src = address(k === 0 && entry.video ? entry.video : entry.audio);
  });
  if (entry.why) {
    if (cell.media.length) cell.warning = el("p", { className: "note" }, entry.why);
    else {
      gone("no clip: " + entry.why);
      screen.classList.add("bare");
    }
  }
  if (curves.wave) stage.length = Math.max(stage.length, curves.wave[1]);
  cell.wave = strip("wave", "waveform of " + runs[run].name + ", with the peaks of picture and sound", cell);
  cell.wave.box.hidden = !cell.media.length && !curves.wave && !curves.peaks;
  cell.view = strip("view", "curve of " + runs[run].name, cell);
  cell.figure.append(el("figcaption", {}, ...runName(run), listen, cell.value), screen, ...(cell.warning ? [cell.warning] : []), cell.wave.box, cell.view.box);
  return cell;
}

// All screens of an item have the shape of its widest clip, so that pictures and curves line up.
function shape(ratio) {
  stage.shape = Math.max(stage.shape, Math.min(ratio, 2.4));
  stage.cells.forEach((cell) => { if (!cell.screen.classList.contains("bare")) cell.screen.style.aspectRatio = stage.shape; });
}

const decode = (url) => { try { return decodeURIComponent(url); } catch { return url; } };

function strip(kind, label, cell) {
  const canvas = el("canvas", { role: "img", "aria-label": label }), mark = el("i");
  const box = el("div", { className: "strip " + kind }, canvas, mark);
  const go = (event) => {
    if (box.classList.contains("shift") || !stage.length) return;
    const area = box.getBoundingClientRect();
    seek(Math.max(0, Math.min(1, (event.clientX - area.left) / area.width)) * stage.length);
  };
  box.addEventListener("pointerdown", (event) => { box.setPointerCapture(event.pointerId); go(event); });
  box.addEventListener("pointermove", (event) => { if (event.buttons) go(event); });
  cell.marks.push([box, mark]);
  return { box, canvas };
}

function hear(run) {
  stage.heard = run;
  stage.cells.forEach((cell) => {
    const on = cell.run === run, sounding = cell.media[cell.media.length - 1];
    cell.media.forEach((m) => { m.muted = !(on && m === sounding); });
    cell.listen.setAttribute("aria-pressed", on);
    cell.listen.textContent = on ? "heard" : "hear";
  });
}

const leader = () => {
  const open = stage.cells.filter((c) => c.media.length && stage.at < c.end - 0.02);
  return open.find((c) => c.run === stage.heard) || open.sort((a, b) => b.end - a.end)[0];
};

function play() {
  if (stage.length && stage.at >= stage.length - 0.03) seek(0);
  stage.playing = true;
  at("play").textContent = "Pause";
  requestAnimationFrame(step);
}

function pause() {
  stage.playing = false;
  at("play").textContent = "Play";
  stage.cells.forEach((cell) => cell.media.forEach((m) => m.pause()));
}

function step() {
  if (!stage.playing) return;
  const first = leader(), speed = Number(at("speed").value);
  if (!first) {
    if (at("loop").checked && stage.cells.some((c) => c.media.length)) { seek(0); requestAnimationFrame(step); } else { stage.at = stage.length; pause(); tick(); }
    return;
  }
  const clock = first.media[first.media.length - 1];
  if (!clock.paused && !clock.seeking) stage.at = clock.currentTime;
  if (clock.ended) stage.at = first.end;
  for (const cell of stage.cells) {
    for (const player of cell.media) {
      // Small lags are caught up by running a little faster, large ones by a jump.
      const late = player === clock ? 0 : stage.at - player.currentTime;
      player.playbackRate = speed * (1 + Math.max(-0.15, Math.min(0.15, 2 * late)));
      if (stage.at >= player.duration - 0.02) { if (!player.paused && player !== clock) player.pause(); continue; }
      if (!player.seeking && Math.abs(late) > 0.15) player.currentTime = stage.at;
      if (player.paused && !player.ended) player.play().catch(() => {});
    }
  }
  tick();
  requestAnimationFrame(step);
}

function seek(to) {
  stage.at = Math.max(0, Math.min(to, stage.length));
  stage.cells.forEach((cell) => cell.media.forEach((m) => { m.currentTime = Math.min(stage.at, Number.isFinite(m.duration) ? m.duration : stage.at); }));
  tick();
}

function tick() {
  at("seek").value = stage.at;
  at("seek").max = stage.length || 1;
  at("time").textContent = stage.at.toFixed(2) + " / " + stage.length.toFixed(2) + " s";
  const share = stage.length ? stage.at / stage.length : 0;
  stage.cells.forEach((cell) => cell.marks.forEach(([box, mark]) => { mark.style.left = 100 * share + "%"; mark.hidden = box.classList.contains("shift"); }));
}

function transport() {
  at("play").addEventListener("click", () => (stage.playing ? pause() : play()));
  at("seek").addEventListener("input", () => seek(Number(at("seek").value)));
  at("view").addEventListener("change", () => drawStrips(opened.item));
  at("stage").addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT", "BUTTON", "SUMMARY"].includes(event.target.tagName) && event.key === " ") return;
    const step = { " ": () => (stage.playing ? pause() : play()), ",": () => { pause(); seek(stage.at - 1 / 24); }, ".": () => { pause(); seek(stage.at + 1 / 24); } }[event.key];
    if (step) { event.preventDefault(); step(); }
  });
  at("stage").tabIndex = -1;
  darkness.addEventListener("change", () => drawStrips(opened.item));
  let wait;
  addEventListener("resize", () => { clearTimeout(wait); wait = setTimeout(() => drawStrips(opened.item), 120); });
}

// ---------------------------------------------------------------- drawings

function offerViews(curves) {
  const held = data.views.filter((v) => curves.some((c) => c && c[v.key] && c[v.key].length));
  // One window over the whole clip is no curve.
  const dull = (v) => v.key === "windows" && curves.every((c) => !c || !c.windows || c.windows.length < 2);
  held.sort((a, b) => dull(a) - dull(b));
  const before = at("view").value;
  options(at("view"), held.map((v) => [v.key, v.title]), held.some((v) => v.key === before) ? before : held.length ? held[0].key : "");
  at("view-label").hidden = !held.length;
}

function points([first, last, low, high, text]) {
  const letters = atob(text), out = [];
  for (let k = 0; k < letters.length; k++) {
    const level = letters.charCodeAt(k);
    out.push([letters.length > 1 ? first + ((last - first) * k) / (letters.length - 1) : first, level === 255 ? null : low + ((high - low) * level) / 254]);
  }
  return out;
}

function drawStrips(item) {
  const entries = stage.cells;
  if (!entries.length) return;
  const loudest = Math.max(1, ...entries.map((c) => (c.curves.wave ? Math.max(...points(c.curves.wave).map((p) => p[1] * 254)) : 1))) / 254;
  entries.forEach((cell) => drawWave(cell, loudest, item));
  const view = data.views.find((v) => v.key === at("view").value);
  const shared = view ? extent(view, entries) : null;
  entries.forEach((cell) => drawView(cell, view, shared));
}

function canvasOf({ box, canvas }) {
  const ratio = devicePixelRatio || 1, wide = box.clientWidth, tall = box.clientHeight;
  canvas.width = Math.max(1, Math.round(wide * ratio));
  canvas.height = Math.max(1, Math.round(tall * ratio));
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "11px system-ui, sans-serif";
  return { pen, wide, tall };
}

function drawWave(cell, loudest, item) {
  const { pen, wide, tall } = canvasOf(cell.wave), { wave, peaks } = cell.curves, x = (t) => (t / (stage.length || 1)) * wide;
  const middle = tall / 2, most = middle - 9;
  pen.strokeStyle = style("--line");
  pen.strokeRect(0.5, 0.5, wide - 1, tall - 1);
  if (wave) {
    const all = points(wave), step = x((wave[1] - wave[0]) / all.length);
    pen.fillStyle = style("--wave");
    all.forEach(([, v], k) => { const h = Math.max(0.5, (v / loudest) * most); pen.fillRect(x(wave[0]) + k * step, middle - h, Math.max(0.6, step * 0.9), 2 * h); });
  } else {
    pen.fillStyle = style("--soft");
    pen.fillText(wave === null ? "no sound" : "no waveform", 6, middle + 4);
  }
  const tick = (t, from, to, name) => { pen.fillStyle = style(name); pen.fillRect(x(t) - 1, from, 2, to - from); };
  (peaks ? peaks[0] : []).forEach((t) => tick(t, 1, 8, "--video"));
  (peaks ? peaks[1] : []).forEach((t) => tick(t, tall - 8, tall - 1, "--audio"));
  pen.strokeStyle = style("--soft");
  pen.setLineDash([2, 3]);
  (items[item].events || []).forEach((t) => { pen.beginPath(); pen.moveTo(x(t), 8); pen.lineTo(x(t), tall - 8); pen.stroke(); });
  cell.wave.box.title = "waveform" + (peaks ? "; peaks of the picture above, of the sound below" : "") + ((items[item].events || []).length ? "; dashed: events that the suite knows" : "");
}

// The same range for all runs, so that heights can be compared; lines of different units have a range each.
function extent(view, cells) {
  const ranges = new Map(), across = [Infinity, -Infinity];
  const widen = (key, low, high) => { const r = ranges.get(key) || [Infinity, -Infinity]; ranges.set(key, [Math.min(r[0], low), Math.max(r[1], high)]); };
  for (const cell of cells) {
    for (const line of cell.curves[view.key] || []) {
      if (typeof line[0] === "number") { widen("window", line[2], line[2]); continue; }
      const [name, [first, last, low, high]] = line;
      widen(name, low, high);
      across[0] = Math.min(across[0], first);
      across[1] = Math.max(across[1], last);
    }
  }
  return { ranges, across };
}

function drawView(cell, view, shared) {
  const held = view ? cell.curves[view.key] : null, shift = Boolean(view && view.x !== "time");
  cell.view.box.hidden = !view;
  cell.view.box.classList.toggle("shift", shift);
  if (!view) return;
  const { pen, wide, tall } = canvasOf(cell.view);
  pen.strokeStyle = style("--line");
  pen.strokeRect(0.5, 0.5, wide - 1, tall - 1);
  pen.fillStyle = style("--soft");
  if (!held || !held.length) { pen.fillText("no such curve of this clip", 6, tall / 2 + 4); tick(); return; }
  const [from, to] = shift ? shared.across : [0, stage.length || 1], x = (t) => ((t - from) / (to - from || 1)) * wide;
  const y = (v, [low, high]) => (high > low ? tall - 14 - ((v - low) / (high - low)) * (tall - 22) : tall / 2);
  const ink = ["--accent", "--audio"];
  if (typeof held[0][0] === "number") {
    const range = shared.ranges.get("window");
    pen.strokeStyle = style("--accent");
    pen.lineWidth = 2.5;
    held.forEach(([start, end, value]) => { pen.beginPath(); pen.moveTo(x(start), y(value, range)); pen.lineTo(x(end), y(value, range)); pen.stroke(); });
    label(pen, tall, range);
  } else {
    held.forEach(([name, curve], k) => {
      const range = shared.ranges.get(name), color = style(held.length > 1 ? ["--video", "--audio"][k] : ink[0]);
      pen.strokeStyle = color;
      pen.lineWidth = 1.6;
      pen.beginPath();
      let down = false, top = null;
      for (const [t, v] of points(curve)) {
        if (v === null) { down = false; continue; }
        if (down) pen.lineTo(x(t), y(v, range)); else pen.moveTo(x(t), y(v, range));
        down = true;
        const wins = top === null || (view.key === "lips" ? v < top[1] : v > top[1]);
        if (wins) top = [t, v];
      }
      pen.stroke();
      if (shift && top) {
        pen.fillStyle = color;
        pen.beginPath();
        pen.arc(x(top[0]), y(top[1], range), 3.2, 0, 7);
        pen.fill();
        pen.textAlign = x(top[0]) > wide / 2 ? "right" : "left";
        pen.fillText(" " + (top[0] > 0 ? "+" : "") + Number(top[0].toFixed(2)) + " ", x(top[0]), y(top[1], range) + 4);
        pen.textAlign = "left";
      }
      if (held.length > 1) { pen.fillStyle = color; pen.fillText(name, 6 + k * 52, 12); } else label(pen, tall, range);
    });
    if (shift) {
      pen.strokeStyle = style("--soft");
      pen.setLineDash([2, 3]);
      pen.beginPath();
      pen.moveTo(x(0), 0);
      pen.lineTo(x(0), tall - 12);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = style("--soft");
      pen.fillText(Number(from.toFixed(2)), 4, tall - 3);
      pen.textAlign = "right";
      pen.fillText("+" + Number(to.toFixed(2)) + " " + view.x.split(", ")[1], wide - 4, tall - 3);
      pen.textAlign = "left";
    }
  }
  tick();
}

function label(pen, tall, [low, high]) {
  pen.fillStyle = style("--soft");
  pen.fillText(Number(high.toPrecision(3)), 4, 12);
  if (high > low) pen.fillText(Number(low.toPrecision(3)), 4, tall - 3);
}
