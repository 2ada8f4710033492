// Reorders the rows in [data-reorder]. The new order is shown immediately, saved with htmx, and reverted if saving
// fails.

const orderOf = (list) => [...list.children].map((row) => row.dataset.row);

const neighbourOf = (row, isUp) => (isUp ? row.previousElementSibling : row.nextElementSibling);

// Move the adjacent row, because a moved row loses the focus and the pointer capture.
const step = (row, isUp) => row[isUp ? "after" : "before"](neighbourOf(row, isUp) ?? "");

// Sorts the projects on the page, if any, to match the rows, and shows a status message.
function show(list, message) {
  const end = document.getElementById("project-new");
  for (const id of orderOf(list)) end?.before(document.getElementById(`project-${id}`) ?? "");
  list.nextElementSibling.textContent = message;
}

function save(row, before) {
  const list = row.parentElement;
  const form = list.parentElement;
  const order = orderOf(list);
  if (`${order}` === `${before}`) return;
  form.dataset.saved ??= before;
  const position = order.indexOf(row.dataset.row) + 1;
  show(list, form.dataset.moved.replace("{place}", position).replace("{count}", order.length));
  form.requestSubmit();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reorder] :is([name=up], [name=down])");
  if (!button) return;
  event.preventDefault();
  const row = button.parentElement;
  const before = orderOf(row.parentElement);
  step(row, button.name === "up");
  save(row, before);
});

document.addEventListener("pointerdown", ({ target, button, pointerId }) => {
  const grip = target.closest("[data-grip]");
  if (!grip || button) return;
  const row = grip.parentElement;
  const before = orderOf(row.parentElement);
  grip.setPointerCapture(pointerId);
  grip.onpointermove = ({ clientY }) => {
    for (const isUp of [true, false]) {
      const { top, bottom } = neighbourOf(row, isUp)?.getBoundingClientRect() ?? {};
      const distance = clientY - (top + bottom) / 2;
      if (isUp ? distance < 0 : distance > 0) step(row, isUp);
    }
    row.scrollIntoView({ block: "nearest" });
  };
  grip.onlostpointercapture = () => {
    grip.onpointermove = null;
    save(row, before);
  };
});

document.addEventListener("htmx:afterRequest", ({ detail: { xhr, requestConfig } }) => {
  const { elt } = requestConfig; // detail.elt is an ancestor if the form was removed
  const list = elt.querySelector("[data-reorder]");
  if (!list || xhr.status === 401) return; // htmx-session.js repeats the request
  if (xhr.status === 204) {
    elt.dataset.saved = requestConfig.formData.getAll(list.querySelector("input").name);
  } else {
    const focused = document.activeElement;
    for (const id of elt.dataset.saved.split(",")) list.append(list.querySelector(`[data-row="${id}"]`));
    focused.focus();
    show(list, elt.dataset.failed);
  }
});
