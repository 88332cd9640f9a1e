// Dialogs, and what is said in passing.
import { errorText, t } from "../i18n/i18n.js";
import { ICONS, freshId, h, icon } from "./dom.js";

/** Shows a dialog over the page; `content(close)` gives what is in it. Closes by Escape too. Returns `close`, with its `element`. */
export function dialog(title, content) {
  const id = freshId("dialog");
  const close = () => element.close();
  const shut = h("button", { type: "button", class: "plain", "aria-label": t("action.close"), onclick: close }, icon(ICONS.close));
  const head = h("header", {}, h("h2", { id }, title), shut);
  const element = h("dialog", { "aria-labelledby": id }, head, h("div", { class: "body" }, content(close)));
  element.addEventListener("close", () => {
    if (element.contains(line)) document.body.append(line);
    element.remove();
  });
  document.body.append(element);
  element.showModal();
  close.element = element;
  return close;
}

/** Asks before something that cannot be undone. */
export function confirm(title, text, action, run) {
  dialog(title, (close) => {
    const problem = h("p", { class: "error", role: "alert" });
    const act = async () => {
      try {
        await run();
        close();
      } catch (error) {
        problem.textContent = errorText(error);
      }
    };
    return h(
      "div",
      {},
      h("p", {}, text),
      problem,
      h(
        "div",
        { class: "buttons" },
        h("button", { class: "danger", onclick: act }, action),
        h("button", { class: "quiet", onclick: close }, t("action.cancel")),
      ),
    );
  });
}

// There before its first words: only what changes is read out.
const line = document.body.appendChild(h("div", { class: "toast", role: "status" }));

/** Says something that needs no answer. It is read out, and goes by itself. */
export function say(text) {
  // What is behind a dialog is neither seen nor heard.
  const home = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (line.parentNode !== home) home.append(line);
  line.textContent = text;
  clearTimeout(line.timer);
  line.timer = setTimeout(() => (line.textContent = ""), 6_000);
}

/** What a button does: what goes wrong is said. */
export const act = (run) => async (event) => {
  const button = event?.currentTarget;
  if (button) button.disabled = true;
  try {
    await run(event);
  } catch (error) {
    say(errorText(error));
  } finally {
    if (button) button.disabled = false;
  }
};
