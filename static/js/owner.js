// Copies links, and closes the sheet of the owner bar with Escape or a click elsewhere.

const announce = (text) => document.dispatchEvent(new CustomEvent("announce", { detail: text }));
const openSheet = () => document.querySelector(".bar__more[open]");

// Only pages with HTTPS can write to the clipboard.
function showButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy || button.closest(".field").querySelector("textarea").value);
  const text = button.textContent;
  button.textContent = button.dataset.copied;
  announce(button.dataset.copied);
  setTimeout(() => (button.textContent = text), 4000);
}

document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-copy]")) copy(target);
  if (!target.closest(".bar__more")) openSheet()?.removeAttribute("open");
});

document.addEventListener("keydown", ({ key }) => {
  const sheet = key === "Escape" && openSheet();
  if (!sheet) return;
  sheet.open = false;
  sheet.firstElementChild.focus();
});

document.addEventListener("htmx:afterSettle", showButtons);
showButtons();
