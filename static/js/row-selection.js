// Selects rows in a live list: all rows with the header checkbox, or a range with Shift.

const ROWS = "#result_list .action-select";

const checkboxes = () => [...document.querySelectorAll(ROWS)];
let last;

function update() {
  const all = checkboxes();
  const selected = all.filter((checkbox) => checkbox.checked).length;
  for (const checkbox of all) checkbox.closest("tr").classList.toggle("selected", checkbox.checked);
  const toggle = document.querySelector("#action-toggle");
  if (toggle) {
    toggle.checked = all.length > 0 && selected === all.length;
    toggle.indeterminate = selected > 0 && selected < all.length;
  }
  const counter = document.querySelector(".action-counter");
  const text = counter?.textContent.replace(/\d+(\D+)\d+/, `${selected}$1${all.length}`);
  if (counter && counter.textContent !== text) counter.textContent = text;
}

function selectRange(target) {
  const all = checkboxes();
  const [from, to] = [all.indexOf(last), all.indexOf(target)].sort((a, b) => a - b);
  if (from >= 0) for (const checkbox of all.slice(from, to + 1)) checkbox.checked = target.checked;
}

document.addEventListener("click", ({ target, shiftKey }) => {
  if (target.matches("#action-toggle")) for (const checkbox of checkboxes()) checkbox.checked = target.checked;
  else if (!target.matches(ROWS)) return;
  else if (shiftKey && last !== target) selectRange(target);
  last = target;
  update();
});

document.addEventListener("rows-changed", update);
window.addEventListener("pageshow", update);
