// A part of a page that renews itself with htmx rests while nobody looks, and leaves open what is open.

const RENEWED = "[data-renewed]";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.matches(RENEWED)) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll(RENEWED)) window.htmx.trigger(element, "renew");
});

let open = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.target.matches(RENEWED)) return;
  open = [...event.detail.target.querySelectorAll("details[open]")].map((details) => details.id);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const id of open.splice(0)) document.getElementById(id)?.setAttribute("open", "");
});
