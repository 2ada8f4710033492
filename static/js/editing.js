// Sections turn into their forms and back where they stand. What was typed shows at once while it is being saved, and
// the form comes back if it is refused. Escape cancels, Ctrl or Cmd with Enter saves.

const displays = new Map(); // what forms stand in for, by id
const previews = new WeakMap(); // what stands in for a form that is being saved

const note = document.getElementById("unopened")?.content.firstElementChild;
let unopened; // the link that the note is about

const say = (words) => document.dispatchEvent(new CustomEvent("announce", { detail: words }));
const sectionOf = (element) => element.closest("[data-editing]");
const displayOf = (section) => displays.get(section?.dataset.editing)?.cloneNode(true);

function texts(form, name) {
  const controls = [...form.elements].filter((control) => control.name === name);
  const said = controls.flatMap((control) => {
    if (control.type === "checkbox") return control.checked ? control.labels[0].textContent : "";
    if (control.options) return control.value && control.selectedOptions[0].text;
    return (control.value || control.placeholder).split(new RegExp(control.dataset.separator ?? "$"));
  });
  return said.map((text) => text.trim()).filter(Boolean);
}

// data-shows="hourly_rate currency" data-otherwise="By agreement": without the first, the others say nothing.
function fill(slot, form) {
  const [first, ...rest] = slot.dataset.shows.split(" ").map((name) => texts(form, name));
  const said = first.length ? [first, rest].flat(2) : [slot.dataset.otherwise ?? ""];
  slot.textContent = said.join(" ");
  slot.style.whiteSpace = "pre-line";
  slot.hidden = !slot.textContent;
  if (!slot.matches("ul, ol")) return;
  slot.replaceChildren(...said.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

function preview(section, form) {
  const display = displayOf(section);
  const actions = display?.querySelector("[data-actions]");
  if (!actions || section.hidden) return;
  for (const { name, type, value } of form.querySelectorAll("input, textarea")) {
    if (!value || /hidden|check/.test(type) || display.querySelector(`[data-shows~="${name}"]`)) continue;
    actions.insertAdjacentHTML("beforebegin", `<p dir="auto" data-shows="${name}">`);
  }
  display.querySelectorAll("[data-shows]").forEach((slot) => fill(slot, form));
  display.querySelector("[data-invitation]")?.remove();
  [display, ...display.querySelectorAll("[id]")].forEach((element) => element.removeAttribute("id"));
  actions.textContent = form.dataset.saving;
  section.before(display);
  section.hidden = true;
  previews.set(section, display);
  say(form.dataset.saving);
}

function takeBack(section) {
  previews.get(section)?.remove();
  section.hidden = false;
}

// Nobody who is busy already is led away.
function begin(section) {
  const { activeElement, body } = document;
  if (activeElement !== body && !section.contains(activeElement)) return;
  const trouble = ["[data-begin]:not([hidden])", "[aria-invalid=true]"].map((place) => section.querySelector(place));
  const start = activeElement === body && section.querySelector("[data-edit], input:not([type=hidden]), textarea");
  (trouble[0] ?? trouble[1] ?? start)?.focus?.();
}

// What cannot be opened says so where it stands, with a button that tries again.
function tell(element) {
  unopened = element;
  (element.closest(".actions, .portrait") ?? element).after(note);
  say(note.textContent);
}

function refuse({ detail: { requestConfig } }) {
  const { elt, verb } = requestConfig;
  const section = sectionOf(elt);
  if (!section) return verb === "get" && tell(elt);
  takeBack(section);
  const refusal = section.querySelector("[data-refusal]");
  refusal.hidden = false;
  say(refusal.textContent);
  begin(section);
}

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, refuse);

document.addEventListener("click", ({ target }) => target.matches("[data-again]") && unopened.click());

document.addEventListener("htmx:beforeRequest", ({ target, detail }) => {
  note?.remove();
  if (detail.requestConfig.verb === "post" && sectionOf(target)) preview(sectionOf(target), target);
});

document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  if (!detail.shouldSwap) return;
  if (!target.matches("[data-editing]")) displays.set(target.id, target.cloneNode(true));
  takeBack(target);
});

// What changed while its form is open is what cancelling brings back.
document.addEventListener("htmx:oobErrorNoTarget", ({ detail }) => displays.set(detail.content.id, detail.content));

document.addEventListener("htmx:afterSettle", ({ target }) => begin(target));

document.addEventListener("click", (event) => {
  const section = event.target.matches("[data-cancel]") && sectionOf(event.target);
  const display = section && displayOf(section);
  if (!display) return;
  event.preventDefault();
  section.replaceWith(display);
  window.htmx.process(display);
  begin(display);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("[data-editing] form");
  if (!form) return;
  if (event.key === "Escape") form.querySelector("[data-cancel], [data-theirs]").click();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});
