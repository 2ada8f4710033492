// Tells screen readers what [data-announce] says in whatever htmx brings, and how complete the page is now if that has
// changed; and what an "announce" event carries. All in one go: of two messages the first would be cut off.

const region = document.createElement("p");
region.className = "visually-hidden";
region.setAttribute("role", "status");
document.querySelector("main").append(region);

const completeness = () => document.querySelector("#owner-bar .ring")?.ariaLabel;
let known = completeness();

document.addEventListener("announce", ({ detail }) => {
  region.textContent = detail;
});

document.addEventListener("htmx:afterSettle", ({ target }) => {
  const news = target.matches("[data-announce]") ? target : target.querySelector("[data-announce]");
  if (!news) return;
  const now = completeness();
  region.textContent = now === known ? news.textContent : `${news.textContent} ${now}`;
  known = now;
});
