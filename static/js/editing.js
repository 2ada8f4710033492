// In-place editing of sections. While a form is being saved, a preview of the new values is shown. If saving fails, the
// form is shown again. Escape cancels, and Ctrl+Enter or Cmd+Enter saves.

const displays = new Map(); // by id, the section that a form replaced
const previews = new WeakMap(); // by form section, the preview shown while it is being saved

const loadError = document.getElementById("load-error")?.content.firstElementChild;
let failedLink; // the link whose form could not be loaded

const announce = (text) => document.dispatchEvent(new CustomEvent("announce", { detail: text }));
const sectionOf = (element) => element.closest("[data-editing]");
const displayOf = (section) => displays.get(section?.dataset.editing)?.cloneNode(true);

function valuesOf(form, name) {
  const controls = [...form.elements].filter((control) => control.name === name);
  const values = controls.flatMap((control) => {
    if (control.type === "checkbox") return control.checked ? control.labels[0].textContent : "";
    if (control.options) return control.value && control.selectedOptions[0].text;
    return (control.value || control.placeholder).split(new RegExp(control.dataset.separator ?? "$"));
  });
  return values.map((text) => text.trim()).filter(Boolean);
}

// data-preview="hourly_rate currency" data-fallback="By agreement": if the first field is empty, show the fallback instead.
function fill(slot, form) {
  const [first, ...rest] = slot.dataset.preview.split(" ").map((name) => valuesOf(form, name));
  const values = first.length ? [first, rest].flat(2) : [slot.dataset.fallback ?? ""];
  slot.textContent = values.join(" ");
  slot.style.whiteSpace = "pre-line";
  slot.hidden = !slot.textContent;
  if (!slot.matches("ul, ol")) return;
  slot.replaceChildren(...values.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

function preview(section, form) {
  const display = displayOf(section);
  const actions = display?.querySelector("[data-actions]");
  if (!actions || section.hidden) return;
  for (const { name, type, value } of form.querySelectorAll("input, textarea")) {
    if (!value || /hidden|check/.test(type) || display.querySelector(`[data-preview~="${name}"]`)) continue;
    display.insertAdjacentHTML("beforeend", `<p dir="auto" data-preview="${name}">`);
  }
  display.querySelectorAll("[data-preview]").forEach((slot) => fill(slot, form));
  display.querySelector("[data-invitation]")?.remove();
  [display, ...display.querySelectorAll("[id]")].forEach((element) => element.removeAttribute("id"));
  actions.textContent = form.dataset.saving;
  section.before(display);
  section.hidden = true;
  previews.set(section, display);
  announce(form.dataset.saving);
}

function removePreview(section) {
  previews.get(section)?.remove();
  section.hidden = false;
}

// Moves the focus to a section, unless the focus is elsewhere on the page.
function focusSection(section) {
  const { activeElement, body } = document;
  if (activeElement !== body && !section.contains(activeElement)) return;
  const errors = ["[data-focus]:not([hidden])", "[aria-invalid=true]"].map((selector) => section.querySelector(selector));
  const start = activeElement === body && section.querySelector("[data-edit], input:not([type=hidden]), select, textarea");
  (errors[0] ?? errors[1] ?? start)?.focus?.();
}

// If a form cannot be loaded, shows an error next to its link, with a button to retry.
function showLoadError(element) {
  failedLink = element;
  (element.closest(".heading, .edit, .actions, .portrait") ?? element).after(loadError);
  announce(loadError.textContent);
}

function handleFailure({ detail: { requestConfig } }) {
  const { elt, verb } = requestConfig;
  const section = sectionOf(elt);
  if (!section) return verb === "get" && showLoadError(elt);
  removePreview(section);
  const error = section.querySelector("[data-error]");
  error.hidden = false;
  announce(error.textContent);
  focusSection(section);
}

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, handleFailure);

document.addEventListener("click", ({ target }) => target.matches("[data-retry]") && failedLink.click());

document.addEventListener("htmx:beforeRequest", ({ target, detail }) => {
  loadError?.remove();
  if (detail.requestConfig.verb === "post" && sectionOf(target)) preview(sectionOf(target), target);
});

document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  if (!detail.shouldSwap) return;
  if (!target.matches("[data-editing]")) displays.set(target.id, target.cloneNode(true));
  removePreview(target);
});

// A section that is refreshed while its form is open has no target. Keep it until the form is cancelled.
document.addEventListener("htmx:oobErrorNoTarget", ({ detail }) => displays.set(detail.content.id, detail.content));

document.addEventListener("htmx:afterSettle", ({ target }) => focusSection(target));

document.addEventListener("click", (event) => {
  const section = event.target.matches("[data-cancel]") && sectionOf(event.target);
  const display = section && displayOf(section);
  if (!display) return;
  event.preventDefault();
  section.replaceWith(display);
  window.htmx.process(display);
  focusSection(display);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("[data-editing] form");
  if (!form) return;
  if (event.key === "Escape") form.querySelector("[data-cancel], [data-use-current]").click();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});
