// Lets people choose the colour scheme in [data-theme-switch] and remembers it. "system" is the absence of a choice.

const root = document.documentElement;
const bars = [...document.querySelectorAll('meta[name="theme-color"]')];
const systemColours = bars.map((bar) => bar.content);

function remember(theme) {
  try {
    if (theme === "system") {
      localStorage.removeItem("theme");
    } else {
      localStorage.setItem("theme", theme);
    }
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

function show(theme) {
  if (theme === "system") {
    delete root.dataset.theme;
  } else {
    root.dataset.theme = theme;
  }
  const colour = theme === "system" ? null : systemColours[theme === "dark" ? 1 : 0];
  bars.forEach((bar, index) => {
    bar.content = colour ?? systemColours[index];
  });
}

for (const control of document.querySelectorAll("[data-theme-switch]")) {
  const current = root.dataset.theme ?? "system";
  control.querySelector(`[value="${current}"]`).checked = true;
  show(current);
  control.hidden = false;
  control.addEventListener("change", (event) => {
    remember(event.target.value);
    show(event.target.value);
  });
}
