// Repeats an htmx request with a fresh session token if the token has expired. Without a fresh token, it sends a normal
// request, and the server preserves a posted form until the user signs in.

const repeating = new WeakSet();

async function refreshToken() {
  await window.Clerk.load();
  const token = await window.Clerk.session?.getToken({ skipCache: true });
  if (!token) throw new Error("no session");
}

function requestWithoutHtmx(element) {
  if (element instanceof HTMLFormElement) {
    // The text is stored in this tab. The sign-in page says so.
    if (element.dataset.user) element.action += "?draft=1";
    delete element.dataset.unsaved;
    element.dispatchEvent(new Event("change", { bubbles: true }));
    HTMLFormElement.prototype.submit.call(element);
  } else if (element.href) {
    window.location.assign(element.href);
  } else {
    window.location.reload();
  }
}

async function repeat({ elt, verb, path, triggeringEvent }) {
  try {
    await refreshToken();
    repeating.add(elt);
    await window.htmx.ajax(verb, path, { source: elt, event: triggeringEvent });
  } catch {
    requestWithoutHtmx(elt);
  } finally {
    repeating.delete(elt);
  }
}

document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (xhr.status !== 401) return;
  event.preventDefault();
  if (repeating.has(requestConfig.elt)) {
    requestWithoutHtmx(requestConfig.elt);
  } else {
    repeat(requestConfig);
  }
});
