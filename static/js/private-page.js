// The back/forward cache can restore a page after sign-out. Hide it and load it again.

window.addEventListener("pagehide", ({ persisted }) => {
  if (persisted) document.documentElement.style.visibility = "hidden";
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) window.location.reload();
});
