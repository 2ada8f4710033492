// Shows the chosen availability immediately and reverts it if saving fails. A click during a request is sent
// afterwards.

let pendingId; // the id of the button clicked during a request

function showPressed(form, value) {
  for (const choice of form.querySelectorAll("[aria-pressed]")) choice.ariaPressed = choice.value === value;
}

document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.matches("[data-switch].htmx-request")) return;
    event.preventDefault();
    event.stopPropagation();
    pendingId = event.submitter.id;
    showPressed(event.target, event.submitter.value);
  },
  true,
);

document.addEventListener("htmx:afterSettle", () => {
  const button = document.getElementById(pendingId);
  pendingId = "";
  button?.click();
});

document.addEventListener("htmx:beforeRequest", ({ target, detail }) => {
  if (!target.matches("[data-switch]")) return;
  target.dataset.switch ||= target.querySelector("[aria-pressed=true]")?.value;
  target.querySelector("[data-error]").hidden = true;
  showPressed(target, detail.requestConfig.formData.get("availability"));
});

function handleFailure({ detail }) {
  const form = detail.requestConfig.elt;
  if (!form.matches("[data-switch]")) return;
  const error = form.querySelector("[data-error]");
  pendingId = "";
  showPressed(form, form.dataset.switch);
  error.hidden = false;
  document.dispatchEvent(new CustomEvent("announce", { detail: error.textContent }));
}

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, handleFailure);
