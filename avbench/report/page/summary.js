// The table is there already; it gets colours, sorting and a way to each number's origin.
function summary() {
  const table = at("table").querySelector("table");
  if (!table) {
    at("table").replaceChildren(el("p", { className: "empty" }, "The runs have no metric, so there is no number to show; score them with --metrics."));
    return;
  }
  const body = table.tBodies[0], rows = [...body.rows];
  rows.forEach((row, run) => {
    row.cells[0].prepend(dot(run));
    [...row.cells].slice(1).forEach((cell, column) => {
      const metric = (data.cells[run] || [])[column];
      if (metric === null || metric === undefined) return;
      cell.dataset.opens = "";
      cell.tabIndex = 0;
      cell.removeAttribute("title");
      cell.setAttribute("role", "button");
      cell.addEventListener("click", () => explain(run, metric));
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") explain(run, metric); });
    });
  });
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, k) => {
    const button = el("button", { type: "button" }, ...breaking(head.textContent));
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && head.textContent.includes("↑"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[k];
        if (k === 0) return cell.textContent;
        return cell && cell.dataset.value !== undefined ? Number(cell.dataset.value) : null;
      };
      order(rows, key, down);
      body.append(...rows);
    });
  });
}
