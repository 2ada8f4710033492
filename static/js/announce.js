// Announces the text of an "announce" event, and the [data-announce] text of swapped-in content, to screen readers. A
// change in the page's completeness is included, because a second announcement would interrupt the first.

const region = document.createElement("p");
region.className = "visually-hidden";
region.setAttribute("role", "status");
document.querySelector("main").append(region);

const completeness = () => document.querySelector("#owner-bar .ring")?.ariaLabel;
let lastCompleteness = completeness();

document.addEventListener("announce", ({ detail }) => {
  region.textContent = detail;
});

document.addEventListener("htmx:afterSettle", ({ target }) => {
  const message = target.matches("[data-announce]") ? target : target.querySelector("[data-announce]");
  if (!message) return;
  const current = completeness();
  region.textContent = current === lastCompleteness ? message.textContent : `${message.textContent} ${current}`;
  lastCompleteness = current;
});
