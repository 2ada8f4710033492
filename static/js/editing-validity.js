// Validates fields in the browser with the server's rules and messages. Errors are shown on save, because a message
// shown on blur could move the button away from the pointer.

const length = (text) => [...text].length;
const addScheme = (link) => (/^[^/]*:/.test(link) ? link : `https://${link}`);
const controlOf = ({ target }) => target.closest("[data-messages]");

function errorOf(control) {
  const { maxItems, maxLength, messages, pattern, separator } = control.dataset;
  const message = (flag, params) => JSON.parse(messages)[flag].replace(/%\((\w+)\)./g, (_, name) => params[name]);
  const native = Object.keys(JSON.parse(messages)).find((flag) => control.validity[flag]);
  if (native) return message(native);
  const text = control.value.trim();
  if (!separator && length(text) > maxLength) return message("tooLong", { show_value: length(text) });
  const parts = text.split(new RegExp(separator ?? "$")).map((part) => part.trim());
  const entries = [...new Set(parts.filter(Boolean))];
  if (entries.length > maxItems) return message("tooMany", { count: entries.length });
  const long = separator && entries.find((entry) => length(entry) > maxLength);
  if (long) return message("entryTooLong", { entry: long.slice(0, 30), length: length(long) });
  const isLink = new RegExp(`^${pattern}$`, "i");
  const invalid = pattern && entries.map(addScheme).find((entry) => !isLink.test(entry));
  return invalid ? message("entryInvalid", { entry: invalid.slice(0, 60) }) : "";
}

function check(control) {
  control.setCustomValidity("");
  control.setCustomValidity(errorOf(control));
}

function show(control) {
  check(control);
  const item = document.createElement("li");
  item.textContent = control.validationMessage;
  document.getElementById(`${control.id}_error`).replaceChildren(...(item.textContent ? [item] : []));
  control.setAttribute("aria-invalid", Boolean(item.textContent));
}

function on(name, react) {
  document.addEventListener(name, (event) => controlOf(event) && react(controlOf(event), event), true);
}

// Remove maxlength, so that pasted text is not truncated. The message reports the text's length instead.
on("beforeinput", (control) => control.removeAttribute("maxlength"));
on("input", (control) => (control.ariaInvalid === "true" ? show : check)(control));
on("invalid", (control, event) => {
  event.preventDefault();
  show(control);
  control.form.querySelector("[data-messages]:invalid").focus();
});
