// Makes a chart's columns one tab stop. Arrow keys, Home and End move between columns, and Escape hides the values.

const CHARTS = "[data-columns]";

function setTabStop(chart, current) {
  for (const link of chart.querySelectorAll("a")) link.tabIndex = link === current ? 0 : -1;
}

function setTabStops() {
  for (const chart of document.querySelectorAll(CHARTS)) {
    const links = [...chart.querySelectorAll("a")];
    setTabStop(chart, links.find((link) => link === document.activeElement) ?? links.at(-1));
  }
}

document.addEventListener("keydown", (event) => {
  const chart = event.target.closest?.(CHARTS);
  if (!chart) return;
  if (event.key === "Escape") event.target.blur();
  const links = [...chart.querySelectorAll("a")];
  const index = links.indexOf(event.target);
  const next = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: links.length - 1 }[event.key];
  if (!links[next]) return;
  event.preventDefault();
  setTabStop(chart, links[next]);
  links[next].focus();
});

document.addEventListener("htmx:afterSettle", setTabStops);
setTabStops();
