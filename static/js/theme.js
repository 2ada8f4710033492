// Runs before the first paint, so that a chosen colour scheme never flashes. The switch itself is theme-switch.js.
(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "system";
  } catch {
    // Storage can be forbidden; the system's scheme is then what shows.
  }
})();
