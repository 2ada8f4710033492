// Copies links, and closes the owner bar's menu with Escape.

// The clipboard is only available over HTTPS.
function showButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
}

document.addEventListener("click", async ({ target }) => {
  if (!target.matches("[data-copy]")) return;
  await navigator.clipboard.writeText(target.dataset.copy || target.closest(".field").querySelector("textarea").value);
  const text = target.textContent;
  target.textContent = target.dataset.copied;
  document.dispatchEvent(new CustomEvent("announce", { detail: target.dataset.copied }));
  setTimeout(() => (target.textContent = text), 4000);
});

document.addEventListener("keydown", ({ key }) => {
  const sheet = key === "Escape" && document.querySelector(".bar__more[open]");
  if (!sheet) return;
  sheet.open = false;
  sheet.firstElementChild.focus();
});

document.addEventListener("htmx:afterSettle", showButtons);
showButtons();
