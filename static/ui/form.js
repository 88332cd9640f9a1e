// Forms that say what is wrong beside the field, in the person's language, and keep what was typed.
import { errorText, fieldText, t } from "../i18n/i18n.js";
import { freshId, h } from "./dom.js";

/** Where an error of a field is shown, and that it has one. */
function problem(control) {
  const line = h("p", { class: "error", id: freshId("error") });
  const described = [control.getAttribute("aria-describedby"), line.id].filter(Boolean).join(" ");
  return {
    line,
    show(text) {
      line.textContent = text;
      if (text) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
      control.setAttribute("aria-describedby", described);
    },
  };
}

/**
 * A field with its label. `kind`: an input's type, "textarea", "select" (with `options`: `[[value, label]]`) or "checks" (the
 * same, any number of them).
 */
export function field({ name, label, kind = "text", help, options, value, ...attributes }) {
  const id = freshId(name);
  const helpId = help && `${id}-help`;
  const common = { id, name, "aria-describedby": helpId, ...attributes };
  if (kind === "checks") return checks({ name, label, help, options, value });
  let control;
  if (kind === "textarea") control = h("textarea", { rows: 4, ...common });
  else if (kind === "select") {
    control = h("select", common, ...options.map(([key, text]) => h("option", { value: key }, text)));
  } else control = h("input", { type: kind, ...common });
  if (kind === "checkbox") control.checked = Boolean(value);
  else if (value !== undefined && value !== null) control.value = value;
  const error = problem(control);
  const text = h("label", { for: id }, label);
  const hint = help && h("p", { class: "help", id: helpId }, help);
  const parts = kind === "checkbox" ? [h("div", { class: "check" }, control, text), hint] : [text, hint, control];
  return {
    name,
    control,
    element: h("div", { class: "field" }, ...parts.filter(Boolean), error.line),
    show: error.show,
    get: () => (kind === "checkbox" ? control.checked : control.value),
  };
}

function checks({ name, label, help, options, value = [] }) {
  const boxes = options.map(([key, text]) => {
    const id = freshId(name);
    const box = h("input", { type: "checkbox", id, value: key, checked: value.includes(key) });
    return { box, element: h("div", { class: "check" }, box, h("label", { for: id }, text)) };
  });
  const set = h("fieldset", { class: "field" }, h("legend", {}, label), help && h("p", { class: "help" }, help));
  const error = problem(set);
  set.append(h("div", { class: "checks" }, ...boxes.map(({ element }) => element)), error.line);
  return {
    name,
    control: boxes[0]?.box ?? set,
    element: set,
    show: error.show,
    get: () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value),
  };
}

/** The field of a password that is to be set, under this name. */
export const newPassword = (name = "password") => ({
  name,
  label: t("password.new"),
  kind: "password",
  autocomplete: "new-password",
  help: t("password.help"),
  required: true,
});

/**
 * A form. `send` gets the values by name and may throw a SchoolbellError: its details go beside the fields, the rest above the
 * button. `paths` maps a field of the server's to one of the form's. `once`: what was sent is not sent again.
 */
export function form({ fields, submit, send, paths = {}, cancel, once = false }) {
  const made = fields.map(field);
  const problem = h("p", { class: "error", role: "alert" });
  const button = h("button", {}, submit);
  const element = h(
    "form",
    { class: "form", novalidate: true, method: "post" },
    ...made.map((one) => one.element),
    problem,
    h("div", { class: "buttons" }, button, cancel && h("button", { type: "button", class: "quiet", onclick: cancel }, t("action.cancel"))),
  );

  function show(error) {
    let rest = errorText(error);
    for (const detail of error.details ?? []) {
      const name = paths[detail.field] ?? detail.field;
      const at = made.find((one) => one.name === name || name.startsWith(`${one.name}.`));
      if (!at) continue;
      at.show(fieldText(detail));
      rest = "";
    }
    // A detail of no field that is shown must not be lost.
    if (error.details?.length && rest) rest = error.details.map(fieldText).join(" ");
    problem.textContent = rest;
    const first = made.find((one) => one.element.querySelector("[aria-invalid]") ?? one.element.matches("[aria-invalid]"));
    (first?.control ?? button).focus();
  }

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    problem.textContent = "";
    for (const one of made) one.show("");
    button.disabled = true;
    try {
      await send(Object.fromEntries(made.map((one) => [one.name, one.get()])));
      button.disabled = once;
    } catch (error) {
      button.disabled = false;
      show(error);
    }
  });
  return { element, fields: Object.fromEntries(made.map((one) => [one.name, one])), show };
}
