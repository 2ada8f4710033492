// Keyboard shortcuts for admin lists. j and k move the focus to the link in the next or previous row, and Enter opens it.
// Users can turn shortcuts off in the help dialog, because speech input can trigger single-key shortcuts.

const STORAGE_KEY = "list-shortcuts";
const TEXT_FIELDS = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

const help = document.querySelector("#keyboard-help");
const setting = help.querySelector("[data-shortcuts]");
const link = (row) => row.querySelector("[data-row-link], th a, td a");

function isOn() {
  try {
    return localStorage.getItem(STORAGE_KEY) !== "off";
  } catch {
    return true;
  }
}

function save(value) {
  try {
    localStorage.setItem(STORAGE_KEY, value ? "on" : "off");
  } catch {
    // Storage is unavailable, so the setting only applies to this page.
  }
}

function move(step) {
  const rows = [...document.querySelectorAll("#result_list tbody tr")].filter(link);
  const current = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[current < 0 ? 0 : current + step];
  if (next) link(next).focus();
}

function replay() {
  const row = document.activeElement?.closest?.("#result_list tbody tr");
  if (row && help.querySelector("[data-replay]")) window.location.assign(`${link(row).href}#repair-reason`);
}

const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  r: replay,
  "/": () => document.querySelector("#searchbar")?.select(),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  const action = ACTIONS[event.key];
  const isTyping = event.target.matches?.(TEXT_FIELDS) || event.ctrlKey || event.metaKey || event.altKey;
  if (!action || isTyping || event.isComposing || help.open || !setting.checked) return;
  event.preventDefault();
  action();
});

setting.checked = isOn();
setting.addEventListener("change", () => save(setting.checked));
for (const button of document.querySelectorAll("[data-open-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}
