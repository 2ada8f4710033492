// Renders Markdown on the server while the user writes, if the preview is open. Errors keep the last preview.

let timer;
let last = new AbortController();

async function update(preview) {
  const { value, form } = preview.parentElement.querySelector("textarea");
  const body = new URLSearchParams({ text: value, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
  last.abort();
  last = new AbortController();
  const options = { method: "POST", headers: { "HX-Request": "true" }, body, signal: last.signal };
  const response = await fetch(preview.dataset.markdownPreview, options).catch(() => undefined);
  if (response?.ok) preview.lastElementChild.innerHTML = await response.text().catch(() => "");
}

function schedule({ type, target }) {
  const preview = target.closest(".field")?.querySelector("[data-markdown-preview][open]");
  if (!preview || (type === "input" && !target.matches("textarea"))) return;
  clearTimeout(timer);
  timer = setTimeout(update, type === "input" ? 500 : 0, preview);
}

document.addEventListener("input", schedule);
document.addEventListener("toggle", schedule, true);
