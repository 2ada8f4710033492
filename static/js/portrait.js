// Takes away a [data-portrait] picture that cannot be loaded; the monogram under it then shows.

for (const picture of document.querySelectorAll("[data-portrait]")) {
  if (picture.complete && picture.naturalWidth === 0) {
    picture.remove();
  } else {
    picture.addEventListener("error", () => picture.remove(), { once: true });
  }
}
