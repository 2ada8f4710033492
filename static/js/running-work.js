// Shows the progress of long runs above the page, and asks more often while something is running.

const BUSY_INTERVAL_MS = 3_000;
const IDLE_INTERVAL_MS = 15_000;

const slot = document.querySelector("#running-work");

// Redirects are errors: the session has expired, and Clerk's script will refresh it.
async function load() {
  const response = await fetch(slot.dataset.url, { redirect: "error" });
  if (response.status === 204) slot.replaceChildren();
  if (response.status !== 200) return;
  const answer = new DOMParser().parseFromString(await response.text(), "text/html");
  const focused = document.activeElement?.closest("#running-work") ? document.activeElement.href : undefined;
  slot.replaceChildren(...answer.body.children);
  if (focused) [...slot.querySelectorAll("a")].find((link) => link.href === focused)?.focus();
}

async function poll() {
  if (!document.hidden) await load().catch(() => {});
  setTimeout(poll, slot.childElementCount ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS);
}

poll();
