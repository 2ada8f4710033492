// Arranges the rows of [data-arrange]: shown at once, saved by htmx, put back if that is refused.

const orderOf = (list) => [...list.children].map((row) => row.dataset.row);

const neighbourOf = (row, isUp) => (isUp ? row.previousElementSibling : row.nextElementSibling);

// The neighbour moves: a row that did would lose the focus and the pointer.
const step = (row, isUp) => row[isUp ? "after" : "before"](neighbourOf(row, isUp) ?? "");

// The projects follow their rows.
function show(list, words) {
  const end = document.getElementById("project-new");
  for (const id of orderOf(list)) end.before(document.getElementById(`project-${id}`) ?? "");
  list.nextElementSibling.textContent = words;
}

function save(row, before) {
  const list = row.parentElement;
  const form = list.parentElement;
  const order = orderOf(list);
  if (`${order}` === `${before}`) return;
  form.dataset.saved ??= before;
  const place = order.indexOf(row.dataset.row) + 1;
  show(list, form.dataset.moved.replace("{place}", place).replace("{count}", order.length));
  form.requestSubmit();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-arrange] button");
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
      const past = clientY - (top + bottom) / 2;
      if (isUp ? past < 0 : past > 0) step(row, isUp);
    }
    row.scrollIntoView({ block: "nearest" });
  };
  grip.onlostpointercapture = () => {
    grip.onpointermove = null;
    save(row, before);
  };
});

document.addEventListener("htmx:afterRequest", ({ detail: { xhr, requestConfig } }) => {
  const { elt } = requestConfig; // detail.elt is what stands around a form that is gone
  const list = elt.querySelector("[data-arrange]");
  if (!list || xhr.status === 401) return; // htmx-session.js asks again
  if (xhr.status === 204) {
    elt.dataset.saved = requestConfig.formData.getAll("project");
  } else {
    const focused = document.activeElement;
    for (const id of elt.dataset.saved.split(",")) list.append(list.querySelector(`[data-row="${id}"]`));
    focused.focus();
    show(list, elt.dataset.failed);
  }
});
