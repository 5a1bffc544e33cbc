at("title").textContent = data.title;
if (data.notes.length) {
  at("notes").hidden = false;
  at("notes").open = data.notes.length <= 4;
  at("notes").querySelector("summary").textContent = data.notes.length === 1 ? "1 thing is missing here" : data.notes.length + " things are missing here";
  at("notes").querySelector("ul").append(...data.notes.map((note) => el("li", {}, note)));
}
// The table of the first section is complete without the rest, so a fault in one section leaves the others.
for (const section of [summary, plots, categories, clips, failures, numbers, runList]) {
  try {
    section();
  } catch (error) {
    say("a part of this page failed: " + error.message);
    console.error(error);
  }
}
document.body.dataset.ready = "true";
at("explained").addEventListener("click", (event) => { if (event.target === at("explained")) at("explained").close(); });
