// Tells screen readers what [data-announce] says in whatever htmx brings, and what an "announce" event carries.

const region = document.createElement("p");
region.className = "visually-hidden";
region.setAttribute("role", "status");
document.querySelector("main").append(region);

document.addEventListener("announce", ({ detail }) => {
  region.textContent = detail;
});

document.addEventListener("htmx:afterSettle", ({ target }) => {
  const news = target.querySelector("[data-announce]");
  if (news) region.textContent = news.textContent;
});
