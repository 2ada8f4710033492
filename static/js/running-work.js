// Shows the progress of long runs at the top of the page. Polls more often during a run.

const BUSY_INTERVAL_MS = 3_000;
const IDLE_INTERVAL_MS = 15_000;

const slot = document.querySelector("#running-work");

// A redirect means that the session has expired. Clerk's script will refresh the session.
async function load() {
  const response = await fetch(slot.dataset.url, { redirect: "error" });
  if (response.status === 204) slot.replaceChildren();
  if (response.status !== 200) return;
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  const focused = document.activeElement?.closest("#running-work") ? document.activeElement.href : undefined;
  slot.replaceChildren(...parsed.body.children);
  if (focused) [...slot.querySelectorAll("a")].find((link) => link.href === focused)?.focus();
}

async function poll() {
  if (!document.hidden) await load().catch(() => {});
  setTimeout(poll, slot.childElementCount ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS);
}

// The pages of runs have no slot, because they show their own progress.
if (slot) poll();
