// The availability shows at once, and is as it was again if it is refused. What is pressed meanwhile follows.

let next; // the id of the button that was pressed last

function press(form, value) {
  for (const choice of form.querySelectorAll("[aria-pressed]")) choice.ariaPressed = choice.value === value;
}

document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.matches("[data-switch].htmx-request")) return;
    event.preventDefault();
    event.stopPropagation();
    next = event.submitter.id;
    press(event.target, event.submitter.value);
  },
  true,
);

document.addEventListener("htmx:afterSettle", () => {
  const button = document.getElementById(next);
  next = "";
  button?.click();
});

document.addEventListener("htmx:beforeRequest", ({ target, detail }) => {
  if (!target.matches("[data-switch]")) return;
  target.dataset.switch ||= target.querySelector("[aria-pressed=true]").value;
  target.querySelector("[data-refusal]").hidden = true;
  press(target, detail.requestConfig.formData.get("availability"));
});

function refuse({ detail }) {
  const form = detail.requestConfig.elt;
  if (!form.matches("[data-switch]")) return;
  const refusal = form.querySelector("[data-refusal]");
  next = "";
  press(form, form.dataset.switch);
  refusal.hidden = false;
  document.dispatchEvent(new CustomEvent("announce", { detail: refusal.textContent }));
}

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, refuse);
