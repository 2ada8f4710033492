// The theme switch in [data-theme-switch]. The selected theme is stored in the browser.

const root = document.documentElement;
const bars = [...document.querySelectorAll('meta[name="theme-color"]')];
const systemColours = bars.map((bar) => bar.content);

function remember(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Without storage, the selection applies to this page only.
  }
}

function show(theme) {
  root.dataset.theme = theme;
  const chosen = ["light", "dark"].indexOf(theme);
  bars.forEach((bar, index) => {
    bar.content = systemColours[chosen < 0 ? index : chosen];
  });
}

for (const control of document.querySelectorAll("[data-theme-switch]")) {
  const choice = (theme) => control.querySelector(`[value="${theme}"]`);
  const chosen = choice(root.dataset.theme) ?? choice("auto");
  chosen.checked = true;
  show(chosen.value);
  control.hidden = false;
  control.addEventListener("change", (event) => {
    remember(event.target.value);
    show(event.target.value);
  });
}
