// While the preview is open, renders Markdown on the server as the user types.

let timer;

async function update(preview) {
  const field = preview.parentElement.querySelector("textarea");
  const { value, form } = field;
  const body = new URLSearchParams({ text: value, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
  const request = { method: "POST", headers: { "HX-Request": "true" }, body };
  const response = await fetch(preview.dataset.markdownPreview, request).catch(() => ({}));
  if (response.ok && field.value === value) preview.lastElementChild.innerHTML = await response.text();
}

function schedule({ type, target }) {
  const preview = target.closest(".field")?.querySelector("[data-markdown-preview][open]");
  clearTimeout(timer);
  if (preview) timer = setTimeout(update, type === "input" ? 500 : 0, preview);
}

document.addEventListener("input", schedule);
document.addEventListener("toggle", schedule, true);
