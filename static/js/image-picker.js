// Previews the chosen image of a form, and crops it by dragging on the preview. Images can be dropped onto the form. The
// crop is sent in the form's number fields, which also work without this script.

const SIDES = ["left", "top", "right", "bottom"];
const MIN_KEPT = 5; // percent
const MAX_PREVIEW = { width: 640, height: 480 };

const bitmaps = new WeakMap(); // by form, the decoded image

const cropOf = (form) => form?.querySelector("[data-crop]");
const fieldsOf = (form) => SIDES.map((side) => form.elements[`crop_${side}`]);
const valuesOf = (form) => fieldsOf(form).map(({ value }) => Math.min(Math.max(parseFloat(value) || 0, 0), 100) / 100);

function draw(form) {
  const canvas = cropOf(form).querySelector("canvas");
  const bitmap = bitmaps.get(form);
  canvas.hidden = !bitmap;
  if (!bitmap) return;
  const scale = Math.min(MAX_PREVIEW.width / bitmap.width, MAX_PREVIEW.height / bitmap.height, 1);
  const [width, height] = [bitmap.width, bitmap.height].map((size) => Math.max(1, Math.round(size * scale)));
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, width, height);
  const [left, top, right, bottom] = valuesOf(form);
  const kept = new Path2D();
  kept.rect(0, 0, width, height);
  kept.rect(left * width, top * height, (1 - left - right) * width, (1 - top - bottom) * height);
  context.fillStyle = "rgb(0 0 0 / 60%)";
  context.fill(kept, "evenodd");
}

// Sets the crop in percent, and reports the change as if the user had typed it.
function setCrop(form, values) {
  fieldsOf(form).forEach((field, index) => (field.value = values ? values[index].toFixed(1) : ""));
  fieldsOf(form)[0].dispatchEvent(new Event("input", { bubbles: true }));
}

// An unreadable file has no preview. The server reports the error.
async function show(form) {
  const file = form.elements.image.files[0];
  bitmaps.delete(form);
  if (file) await createImageBitmap(file).then((bitmap) => bitmaps.set(form, bitmap), () => {});
  draw(form);
}

// A form with errors still has the chosen file and the crop.
function prepare(root) {
  for (const crop of root.querySelectorAll?.("[data-crop]") ?? []) {
    for (const part of crop.querySelectorAll("[data-crop-help], [data-crop-reset]")) part.hidden = false;
    const form = crop.closest("form");
    if (!bitmaps.has(form)) show(form);
  }
}

document.addEventListener("change", ({ target }) => {
  if (target.type !== "file" || !cropOf(target.form)) return;
  setCrop(target.form, null);
  show(target.form);
});

document.addEventListener("input", ({ target }) => {
  if (target.name?.startsWith("crop_")) draw(target.form);
});

document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-crop-reset]")) setCrop(target.form, null);
});

document.addEventListener("pointerdown", (event) => {
  const canvas = event.target.closest?.("[data-crop]:has([open]) canvas");
  if (!canvas || event.button) return;
  event.preventDefault();
  const form = canvas.closest("form");
  const start = place(canvas, event);
  canvas.setPointerCapture(event.pointerId);
  canvas.onpointermove = (move) => select(form, start, place(canvas, move));
  canvas.onlostpointercapture = () => (canvas.onpointermove = null);
});

// Returns the pointer's place on the preview in percent.
function place(canvas, { clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  const parts = [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  return parts.map((part) => Math.min(Math.max(part, 0), 1) * 100);
}

function select(form, [x1, y1], [x2, y2]) {
  if (Math.abs(x1 - x2) < MIN_KEPT || Math.abs(y1 - y2) < MIN_KEPT) return;
  setCrop(form, [Math.min(x1, x2), Math.min(y1, y2), 100 - Math.max(x1, x2), 100 - Math.max(y1, y2)]);
}

// --- Drag and drop ---

const dropTarget = (event) => event.dataTransfer?.types.includes("Files") && event.target.closest?.("form:has([data-crop])");

for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    const form = dropTarget(event);
    if (!form) return;
    event.preventDefault();
    form.classList.toggle("is-dragged-over", name === "dragenter" || name === "dragover");
    if (name !== "drop") return;
    const { files } = event.dataTransfer;
    if (form.dispatchEvent(new CustomEvent("images", { detail: files, bubbles: true, cancelable: true }))) choose(form, files[0]);
  });
}

function choose(form, file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  form.elements.image.files = transfer.files;
  form.elements.image.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("choose-image", ({ target, detail }) => choose(target, detail));
document.addEventListener("htmx:afterSettle", ({ target }) => prepare(target.parentElement ?? document));
prepare(document);
