"use strict";

// Charts: drawn by an interpreter instead of generated code, which this page's security policy forbids.
const specs = JSON.parse(document.getElementById("specs").textContent);
Promise.all(
  Object.entries(specs).map(([name, spec]) =>
    vegaEmbed(document.getElementById(name), spec, { actions: false, renderer: "svg", ast: true }),
  ),
).then(() => document.documentElement.classList.add("drawn"));

// Tables: a heading's button sorts by its column, numbers by their value; blanks stay last either way.
function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        if (!value(a) || !value(b)) return (value(a) ? 0 : 1) - (value(b) ? 0 : 1);
        return descending ? compare(value(b), value(a)) : compare(value(a), value(b));
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// On paper nothing can be opened.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
