// Takes away a [data-portrait] picture that cannot be loaded; the monogram under it then shows.

document.addEventListener("error", ({ target }) => target.matches?.("[data-portrait]") && target.remove(), true);

for (const picture of document.querySelectorAll("[data-portrait]")) {
  if (picture.complete && picture.naturalWidth === 0) picture.remove();
}
