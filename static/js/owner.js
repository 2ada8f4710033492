// Copies links, and closes the owner bar's menu with Escape or a click outside.

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

// Not a popover: the menu must also open without JavaScript, and stay open after a form in it was saved.
const openMenu = () => document.querySelector(".bar__more[open]");

document.addEventListener("keydown", ({ key }) => {
  const menu = key === "Escape" && openMenu();
  if (!menu) return;
  menu.open = false;
  menu.firstElementChild.focus();
});

document.addEventListener("click", ({ target }) => {
  const menu = openMenu();
  if (menu && !menu.contains(target)) menu.open = false;
});

document.addEventListener("htmx:afterSettle", showButtons);
showButtons();
