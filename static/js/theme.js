// Runs before the first paint, so that a chosen colour scheme never flashes. The switch itself is theme-switch.js.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") {
      document.documentElement.dataset.theme = theme;
    }
  } catch {
    // Storage can be forbidden; the system's scheme is then what shows.
  }
})();
