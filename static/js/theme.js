// Applies the theme selected in theme-switch.js before the first paint.
// Django's admin uses the same storage key and the same value "auto".
(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
  } catch {
    // Without storage, the system's theme applies.
  }
})();
