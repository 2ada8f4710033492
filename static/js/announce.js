// Tells screen readers what an "announce" event carries, and what [data-announce] says in whatever htmx brings, with how
// complete the page is if that has changed. Of two messages the first would be cut off.

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
