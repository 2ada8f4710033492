// Uploads several images, with one form and one request per image. A failed image keeps its form, so that it can be sent
// again. The forms' tokens prevent that a repeated request adds an image twice.

const list = document.querySelector("[data-uploads]");
const all = document.querySelector("[data-upload-all]");
const status = document.querySelector("[data-upload-status]");
const blank = list.querySelector("form").cloneNode(true);
let count = 0;

const forms = () => [...list.querySelectorAll("[data-upload]")];

// Returns an empty form whose ids and token differ from those of the other forms.
function copyForm() {
  count += 1;
  const form = blank.cloneNode(true);
  const suffix = `_${count}`;
  for (const element of form.querySelectorAll("[id]")) element.id += suffix;
  for (const label of form.querySelectorAll("[for]")) label.htmlFor += suffix;
  for (const element of form.querySelectorAll("[aria-describedby]")) {
    element.setAttribute("aria-describedby", element.getAttribute("aria-describedby").split(" ").map((id) => id + suffix).join(" "));
  }
  // The token of a repeated upload must stay the same, and differ between images.
  form.elements.form_token.value = newToken();
  form.ariaLabel += ` ${count + 1}`;
  form.querySelector("[data-discard-upload]").hidden = false;
  return form;
}

// crypto.randomUUID() is only available over HTTPS.
function newToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function update() {
  all.hidden = forms().length < 2;
  if (!forms().length) window.location.reload();
}

// Adds a form for each file after the first.
function addFiles(first, files) {
  const free = Number(list.dataset.free) - forms().length + 1;
  const accepted = [...files].slice(0, Math.max(free, 1));
  status.textContent = files.length > accepted.length ? list.dataset.overLimit.replace("{n}", accepted.length) : "";
  const [head, ...rest] = accepted;
  first.dispatchEvent(new CustomEvent("choose-image", { detail: head, bubbles: true }));
  for (const file of rest) {
    const form = copyForm();
    list.append(form);
    window.htmx.process(form);
    form.dispatchEvent(new CustomEvent("choose-image", { detail: file, bubbles: true }));
  }
  update();
}

document.addEventListener("images", (event) => {
  event.preventDefault();
  if (event.detail.length) addFiles(event.target, event.detail);
});

document.addEventListener(
  "change",
  (event) => {
    const { files, form } = event.target;
    if (!form?.matches("[data-upload]") || !(files?.length > 1)) return;
    event.stopPropagation();
    addFiles(form, [...files]);
  },
  true,
);

// --- Sending ---

// htmx-session.js repeats a request with status 401.
const send = (form) =>
  new Promise((resolve) => {
    form.addEventListener("htmx:afterRequest", ({ detail }) => detail.xhr.status !== 401 && resolve());
    form.requestSubmit();
  });

all.addEventListener("click", async () => {
  const invalid = forms().find((form) => !form.checkValidity());
  if (invalid) return invalid.reportValidity();
  all.disabled = true;
  for (const form of forms()) await send(form);
  all.disabled = false;
  update();
});

// Shows errors in the form instead of replacing it, because the server's copy has no file.
function showErrors(form, html) {
  const found = new DOMParser().parseFromString(html, "text/html");
  form.querySelector("[data-form-errors]").replaceChildren(...found.querySelector("[data-form-errors]").childNodes);
  const errors = [...found.querySelectorAll(".errorlist[id]")];
  [...form.querySelectorAll(".errorlist[id]")].forEach((slot, index) => slot.replaceChildren(...errors[index].childNodes));
  form.querySelector("[aria-describedby]")?.focus();
}

document.addEventListener("htmx:beforeRequest", ({ target }) => {
  if (target.matches("[data-upload]")) target.querySelector("[data-error]").hidden = true;
});

document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  if (!target.matches("[data-upload]") || detail.xhr.status !== 422) return;
  detail.shouldSwap = false;
  showErrors(target, detail.serverResponse);
});

function handleFailure({ detail }) {
  const form = detail.requestConfig.elt;
  if (!form.matches("[data-upload]")) return;
  const error = form.querySelector("[data-error]");
  error.hidden = false;
  document.dispatchEvent(new CustomEvent("announce", { detail: error.textContent }));
}

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, handleFailure);

document.addEventListener("htmx:afterSettle", () => all.disabled || update());

document.addEventListener("click", ({ target }) => {
  if (!target.matches("[data-discard-upload]")) return;
  target.form.remove();
  update();
});

list.querySelector("input[type=file]").setAttribute("multiple", "");
