// Applies the stored colour scheme before the first paint, to avoid a flash. theme-switch.js has the switch.
// Django's admin uses the same storage key and the same value "auto".
(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
  } catch {
    // Without storage, the scheme of the system applies.
  }
})();
