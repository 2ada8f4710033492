// Shows notices for failed searches and lost connections.

const show = (name, isShown) => document.querySelectorAll(`[data-${name}]`).forEach((note) => (note.hidden = !isShown));

for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"])
  document.addEventListener(name, () => show("search-failed", true));
document.addEventListener("htmx:beforeRequest", () => show("search-failed", false));
for (const name of ["offline", "online"]) addEventListener(name, () => show("offline", name === "offline"));
