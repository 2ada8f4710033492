// The browser checks what is typed by the server's rules and in its words. Faults show beside their fields on saving, not
// before: a message that appears when a field is left would push the button away from under the pointer.

const size = (text) => [...text].length;
const whole = (link) => (/^[^/]*:/.test(link) ? link : `https://${link}`);
const checked = ({ target }) => target.closest("[data-messages]");

function faultOf(control) {
  const { longest, messages, most, separator, shape } = control.dataset;
  const say = (fault, parts) => JSON.parse(messages)[fault].replace(/%\((\w+)\)./g, (_, name) => parts[name]);
  const native = Object.keys(JSON.parse(messages)).find((fault) => control.validity[fault]);
  if (native) return say(native);
  const text = control.value.trim();
  if (!separator && size(text) > longest) return say("tooLong", { show_value: size(text) });
  const parts = text.split(new RegExp(separator ?? "$")).map((part) => part.trim());
  const entries = [...new Set(parts.filter(Boolean))];
  if (entries.length > most) return say("tooMany", { count: entries.length });
  const long = separator && entries.find((entry) => size(entry) > longest);
  if (long) return say("entryTooLong", { entry: long.slice(0, 30), length: size(long) });
  const isLink = new RegExp(`^${shape}$`, "i");
  const wrong = shape && entries.map(whole).find((entry) => !isLink.test(entry));
  return wrong ? say("entryWrong", { entry: wrong.slice(0, 60) }) : "";
}

function check(control) {
  control.setCustomValidity("");
  control.setCustomValidity(faultOf(control));
}

function show(control) {
  check(control);
  const item = document.createElement("li");
  item.textContent = control.validationMessage;
  document.getElementById(`${control.id}_error`).replaceChildren(...(item.textContent ? [item] : []));
  control.setAttribute("aria-invalid", Boolean(item.textContent));
}

function on(name, react) {
  document.addEventListener(name, (event) => checked(event) && react(checked(event), event), true);
}

// What is pasted is not cut off: a message says how much is too much.
on("beforeinput", (control) => control.removeAttribute("maxlength"));
on("input", (control) => (control.ariaInvalid === "true" ? show : check)(control));
on("invalid", (control, event) => {
  event.preventDefault();
  show(control);
  control.form.querySelector("[data-messages]:invalid").focus();
});
