// Shows that the page waits for a response. After 150 ms, the link, button or form that sent the request has aria-busy,
// and so have the search results. Uploads show their progress. Also shows notices for failed searches and lost
// connections.

const DELAY_MS = 150;
const timers = new WeakMap(); // by the element that sent the request

const show = (name, isShown) => document.querySelectorAll(`[data-${name}]`).forEach((note) => (note.hidden = !isShown));

function setBusy(element, isBusy) {
  const indicator = element.getAttribute("hx-indicator");
  for (const each of [element, indicator && document.querySelector(indicator)]) if (each) each.ariaBusy = isBusy || null;
  if (isBusy && hasFile(element)) showProgress(element);
}

function start(element) {
  clearTimeout(timers.get(element));
  timers.set(element, setTimeout(setBusy, DELAY_MS, element, true));
}

function stop(element) {
  clearTimeout(timers.get(element));
  setBusy(element, false);
  element.querySelector(":scope > progress")?.remove();
}

// Without a length, the bar only shows that the upload is running.
function showProgress(form, loaded, total) {
  const bar = form.querySelector(":scope > progress") ?? document.createElement("progress");
  bar.ariaLabel = form.ariaLabel;
  if (total) Object.assign(bar, { max: total, value: loaded });
  if (!bar.parentElement) form.append(bar);
}

const hasFile = (form) => [...(form.elements ?? [])].some(({ files }) => files?.length);

// --- Requests by htmx ---

document.addEventListener("htmx:beforeSend", ({ detail }) => start(detail.requestConfig.elt));
document.addEventListener("htmx:afterRequest", ({ detail }) => stop(detail.requestConfig.elt));
document.addEventListener("htmx:xhr:progress", ({ target, detail: { loaded, total, lengthComputable } }) => {
  if (hasFile(target) && target.ariaBusy) showProgress(target, loaded, lengthComputable && total);
});

// --- Forms without htmx ---

document.addEventListener("submit", ({ target, defaultPrevented }) => {
  if (defaultPrevented || target.method === "dialog") return;
  start(target);
});

// The Back button shows the page as it was left.
addEventListener("pageshow", ({ persisted }) => persisted && document.querySelectorAll("[aria-busy]").forEach(stop));

// --- Failures ---

let failure = ""; // the name of the notice for the last request, if it failed

// While the browser is offline, only that notice is shown and announced.
function update() {
  show("offline", !navigator.onLine);
  for (const name of ["search-failed", "request-failed"]) show(name, navigator.onLine && failure === name);
}

// Forms have notices of their own.
function handleFailure({ detail: { requestConfig } }) {
  const { elt } = requestConfig;
  failure = elt.matches("button") ? "request-failed" : elt.closest("#directory") && "search-failed";
  update();
}

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(name, handleFailure);
document.addEventListener("htmx:beforeRequest", () => {
  failure = "";
  update();
});
for (const name of ["offline", "online"]) addEventListener(name, update);
