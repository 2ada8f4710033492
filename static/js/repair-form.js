// Opens the event repair form and focuses the reason field, when r is pressed or the URL ends in #repair-reason.

const ID = "repair-reason";
const TEXT_FIELDS = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

function open() {
  const field = document.getElementById(ID);
  if (!field) return false;
  field.closest("details").open = true;
  field.focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches?.(TEXT_FIELDS) || event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === "r" && !isTyping && !event.isComposing && open()) event.preventDefault();
});

if (window.location.hash === `#${ID}`) open();
