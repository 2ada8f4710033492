// Lets admins verify their identity with Clerk's form, and then returns to the page in [data-verification].

const container = document.querySelector("[data-verification]");
const button = container.querySelector("button");
const waiting = container.querySelector("[data-waiting]");

async function finish() {
  // The cookie must contain the new verification when the page asks for it.
  await window.Clerk.session.getToken({ skipCache: true });
  window.location.replace(container.dataset.verification);
}

function open() {
  // The level falls back to the first factor for users without a second one.
  window.Clerk.__internal_openReverification({ level: "second_factor", afterVerification: () => finish().catch(fail) });
}

async function start() {
  waiting.hidden = false;
  await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } });
  waiting.hidden = true;
  if (!window.Clerk.isSignedIn) {
    window.location.reload();
    return;
  }
  open();
  button.addEventListener("click", open);
  button.parentElement.hidden = false;
}

function fail() {
  waiting.hidden = true;
  button.parentElement.hidden = true;
  container.querySelector("[data-failed]").hidden = false;
}

// Module scripts run after deferred scripts, so Clerk failed to load if it is still missing.
(window.Clerk ? start() : Promise.reject(new Error("no Clerk"))).catch(fail);
