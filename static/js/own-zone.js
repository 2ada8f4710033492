// Adds the browser's time zone to the directory filters.

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();

function offer() {
  const option = document.querySelector("[data-own-zone]");
  if (!option || !timeZone) return;
  const chosen = option.parentElement.value === timeZone;
  option.value = timeZone;
  option.disabled = false;
  if (chosen) option.selected = true;
}

// During onboarding, suggests the time zone to builders, who confirm it by saving the form.
const note = document.querySelector("[data-guess]");
const select = document.getElementById(note?.dataset.guess);
if (select && !select.value) {
  select.value = timeZone;
  note.hidden = select.value !== timeZone;
}

offer();
document.addEventListener("htmx:afterSettle", offer);
