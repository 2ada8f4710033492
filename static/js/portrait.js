// Removes a [data-portrait] image that fails to load, so that the initials behind it are visible.

document.addEventListener("error", ({ target }) => target.matches?.("[data-portrait]") && target.remove(), true);

for (const image of document.querySelectorAll("[data-portrait]")) {
  if (image.complete && image.naturalWidth === 0) image.remove();
}
