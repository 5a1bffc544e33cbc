"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const first = head.dataset.first;
      const now = head.getAttribute("aria-sort");
      const order = now ? (now === "ascending" ? "descending" : "ascending") : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => {
        const cell = row.cells[column];
        return head.dataset.kind === "text" ? cell.textContent.trim().toLowerCase() : cell.dataset.value;
      };
      const rows = [...table.tBodies[0].rows].map((row, place) => ({ row, place, key: key(row) }));
      rows.sort((a, b) => {
        if (head.dataset.kind === "text") return sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || a.place - b.place;
        if (a.key === undefined || b.key === undefined) return (a.key === undefined) - (b.key === undefined) || a.place - b.place;
        return sign * (Number(a.key) - Number(b.key)) || a.place - b.place;
      });
      table.tBodies[0].append(...rows.map((entry) => entry.row));
    });
  });
}
const search = document.getElementById("search");
if (search) {
  search.closest("p").hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const row of document.querySelectorAll("table.sortable > tbody > tr"))
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted) && !row.cells[1].textContent.toLowerCase().includes(wanted);
  });
}
