// What is typed is not lost: the page asks before it is left or a form is cancelled, and the tab keeps what was not saved,
// also when its person is signed out meanwhile. Whoever opens the form again as the same person finds it there.

const store = window.sessionStorage;
const key = (form) => `typed ${form.dataset.person} ${form.getAttribute("action")}`;
const warn = (event) => event.preventDefault();

// A page that always listened would lose the browser's cache for going back.
function watch() {
  (document.querySelector("form[data-unsaved]") ? addEventListener : removeEventListener)("beforeunload", warn);
}

function done(form) {
  store.removeItem(key(form));
  delete form.dataset.unsaved;
  watch();
}

function putBack(form) {
  const fields = new URLSearchParams(store.getItem(key(form)) ?? "");
  for (const control of fields.size ? form.elements : []) {
    if (control.type === "checkbox") control.checked = fields.getAll(control.name).includes(control.value);
    else if (control.type !== "file" && fields.has(control.name)) control.value = fields.get(control.name);
  }
  form.querySelector("[data-kept]").hidden = !fields.size;
  if (fields.size) form.dataset.unsaved = "";
}

function open({ target }) {
  target.querySelectorAll("form[data-person]:not([data-unsaved])").forEach(putBack);
  watch();
}

document.addEventListener("htmx:afterSettle", open);
document.addEventListener("change", watch);
open({ target: document });

document.addEventListener("input", ({ target }) => {
  const form = target.closest("form[data-person]");
  if (!form) return;
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("csrfmiddlewaretoken");
  store.setItem(key(form), fields);
  form.dataset.unsaved = "";
  watch();
});

document.addEventListener("htmx:beforeOnLoad", ({ target, detail: { xhr } }) => {
  const form = target.closest("form[data-person]");
  if (form && xhr.status < 300) done(form);
});

document.addEventListener(
  "click",
  (event) => {
    const form = event.target.matches("[data-cancel], [data-theirs]") && event.target.closest("form");
    if (!form) return;
    if (event.target.matches("[data-theirs][hx-get]")) return; // the answer may not come
    const mayGo = !form.matches("[data-unsaved]") || event.target.matches("[data-theirs]");
    if (mayGo || window.confirm(form.dataset.discard)) return done(form);
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);
