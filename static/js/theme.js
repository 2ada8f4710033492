// Runs before the first paint, so that a chosen colour scheme never flashes. The switch itself is theme-switch.js.
// Django's admin remembers the scheme in the same place, and calls the system's "auto".
(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
  } catch {
    // Storage can be forbidden; the system's scheme is then what shows.
  }
})();
