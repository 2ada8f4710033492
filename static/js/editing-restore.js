// Protects unsaved changes. Asks before the user leaves the page or cancels a form, and stores the changes in the tab.
// They are restored when the same user opens the form again.

const store = window.sessionStorage;
const key = (form) => `unsaved ${form.dataset.user} ${form.getAttribute("action")}`;
const warn = (event) => event.preventDefault();

// Listen only while there are unsaved changes: a beforeunload listener disables the back/forward cache.
function updateLeaveWarning() {
  (document.querySelector("form[data-unsaved]") ? addEventListener : removeEventListener)("beforeunload", warn);
}

function clearStored(form) {
  store.removeItem(key(form));
  delete form.dataset.unsaved;
  updateLeaveWarning();
}

function restore(form) {
  const fields = new URLSearchParams(store.getItem(key(form)) ?? "");
  for (const control of fields.size ? form.elements : []) {
    if (control.type === "checkbox") control.checked = fields.getAll(control.name).includes(control.value);
    else if (control.type !== "file" && fields.has(control.name)) control.value = fields.get(control.name);
  }
  form.querySelector("[data-restored]").hidden = !fields.size;
  if (fields.size) form.dataset.unsaved = "";
}

function open({ target }) {
  target.querySelectorAll("form[data-user]:not([data-unsaved])").forEach(restore);
  updateLeaveWarning();
}

document.addEventListener("htmx:afterSettle", open);
document.addEventListener("change", updateLeaveWarning);
open({ target: document });

document.addEventListener("input", ({ target }) => {
  const form = target.closest("form[data-user]");
  if (!form) return;
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("csrfmiddlewaretoken");
  store.setItem(key(form), fields);
  form.dataset.unsaved = "";
  updateLeaveWarning();
});

document.addEventListener("htmx:beforeOnLoad", ({ target, detail: { xhr } }) => {
  const form = target.closest("form[data-user]");
  if (form && xhr.status < 300) clearStored(form);
});

document.addEventListener(
  "click",
  (event) => {
    const form = event.target.matches("[data-cancel], [data-use-current]") && event.target.closest("form");
    if (!form) return;
    if (event.target.matches("[data-use-current][hx-get]")) return; // the request may fail
    const mayDiscard = !form.matches("[data-unsaved]") || event.target.matches("[data-use-current]");
    if (mayDiscard || window.confirm(form.dataset.discard)) return clearStored(form);
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);
