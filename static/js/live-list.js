// Merges new events, which #news polls every few seconds, into the open event list. Unchanged rows stay in the document,
// so that focus, selection and the screen reader position are kept.

const ANNOUNCEMENT_INTERVAL_MS = 20_000;
const UNITS = [[60, 1, "s"], [3600, 60, "min"], [48 * 3600, 3600, "h"], [Infinity, 86400, "d"]];

const news = document.querySelector("#news");
const pauseButton = document.querySelector("[data-live-switch]");
let isPaused = false;

const body = () => document.querySelector("#result_list tbody");

// --- Rows ---

const focusables = (row) => [...row.querySelectorAll("a, input")];

// Returns a function that restores the focus if the row with the focused control was replaced.
function keepFocus() {
  const row = document.activeElement?.closest?.("#result_list tbody tr");
  if (!row) return () => {};
  const index = focusables(row).indexOf(document.activeElement);
  return () => {
    const current = document.getElementById(row.id);
    if (current && !current.contains(document.activeElement)) focusables(current)[index]?.focus({ preventScroll: true });
  };
}

// Returns a function that restores the scroll position of the first visible row.
function keepScroll() {
  const row = [...body().rows].find((each) => each.getBoundingClientRect().bottom > 0);
  if (!row || body().getBoundingClientRect().top >= 0) return () => {};
  const before = row.getBoundingClientRect().top;
  return () => {
    const current = document.getElementById(row.id);
    if (current) window.scrollBy({ top: current.getBoundingClientRect().top - before, behavior: "instant" });
  };
}

// Returns the existing row if unchanged, otherwise the new row with the same selection.
function choose(incoming) {
  const present = document.getElementById(incoming.id);
  if (!present) return incoming;
  if (present.dataset.version === incoming.dataset.version) return present;
  const [old, checkbox] = [present, incoming].map((row) => row.querySelector(".action-select"));
  if (old && checkbox) checkbox.checked = old.checked;
  present.replaceWith(incoming);
  return incoming;
}

const isInUse = (row) => row.contains(document.activeElement) || row.querySelector(".action-select:checked");

function mergeRows(table) {
  const incoming = [...table.tBodies[0].rows];
  const added = incoming.filter((row) => !document.getElementById(row.id)).length;
  const restoreFocus = keepFocus();
  const restoreScroll = keepScroll();
  const rows = incoming.map((row) => choose(document.adoptNode(row)));
  const kept = [...body().rows].filter((row) => !rows.includes(row));
  for (const row of kept) if (!isInUse(row)) row.remove();
  rows.forEach((row, index) => {
    if (body().rows[index] !== row) body().insertBefore(row, body().rows[index] ?? null);
  });
  restoreFocus();
  restoreScroll();
  document.dispatchEvent(new CustomEvent("rows-changed"));
  return added;
}

// --- Ages ---

function showAges() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const age = Math.max(Math.floor((Date.now() - Date.parse(element.dataset.since)) / 1000), 1);
    const [, size, name] = UNITS.find(([below]) => age < below);
    const exact = age < 10 * size && size > 1 ? (age / size).toFixed(1).replace(/\.0$/, "") : Math.floor(age / size);
    element.textContent = news.dataset.age.replace("%s", `${exact} ${name}`);
  }
}

// --- Announcements ---

let waiting = 0;
let timer;

function announceWaiting() {
  timer = undefined;
  if (!waiting) return;
  const text = waiting === 1 ? news.dataset.one : news.dataset.many.replace("%s", waiting);
  waiting = 0;
  timer = setTimeout(announceWaiting, ANNOUNCEMENT_INTERVAL_MS);
  document.dispatchEvent(new CustomEvent("announce", { detail: text }));
}

function announce(added) {
  waiting += added;
  if (timer === undefined) announceWaiting();
}

// --- Requests ---

function showNotice(notice) {
  if (!notice.childElementCount || news.textContent === notice.textContent) return;
  news.replaceChildren(document.adoptNode(notice));
  document.dispatchEvent(new CustomEvent("announce", { detail: news.textContent }));
}

function receive(text) {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const found = parsed.querySelector("[data-seen]");
  if (!found) return;
  if (found instanceof HTMLTableElement || found.matches("table")) {
    if (!body()) return window.location.reload();
    announce(mergeRows(found));
    document.querySelector(".keyset")?.replaceWith(document.adoptNode(parsed.querySelector(".keyset")));
  } else {
    showNotice(found);
  }
  news.dataset.seen = found.dataset.seen;
}

function setPaused(value) {
  isPaused = value;
  pauseButton.setAttribute("aria-pressed", String(!isPaused));
}

news.addEventListener("htmx:configRequest", (event) => {
  event.detail.parameters.seen = news.dataset.seen;
});

news.addEventListener("htmx:beforeRequest", (event) => {
  if (isPaused) event.preventDefault();
});

news.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.xhr.status === 200) receive(detail.xhr.responseText);
  showAges();
});

if (pauseButton) {
  pauseButton.hidden = false;
  pauseButton.addEventListener("click", () => {
    setPaused(!isPaused);
    if (!isPaused) window.htmx.trigger(news, "refresh");
  });
}
