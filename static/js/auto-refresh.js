// Pauses htmx's periodic refreshes while the tab is hidden, and keeps open <details> elements open after a refresh.

const AUTO_REFRESH = "[data-auto-refresh]";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.matches(AUTO_REFRESH)) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll(AUTO_REFRESH)) window.htmx.trigger(element, "refresh");
});

let open = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.target.matches(AUTO_REFRESH)) return;
  open = [...event.detail.target.querySelectorAll("details[open]")].map((details) => details.id);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const id of open.splice(0)) document.getElementById(id)?.setAttribute("open", "");
});
