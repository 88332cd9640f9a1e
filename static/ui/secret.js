// Something that is shown once.
import { t } from "../i18n/i18n.js";
import { act, dialog, say } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./form.js";

/** Shows something once, to be copied. */
export function secret(title, text, value) {
  dialog(title, (close) => {
    const input = field({ name: "secret", label: title, value, readonly: true, class: "secret" });
    const copy = act(async () => {
      input.control.select();
      await navigator.clipboard.writeText(value);
      say(t("action.copied"));
    });
    return h(
      "div",
      {},
      h("p", {}, text),
      input.element,
      h(
        "p",
        { class: "buttons" },
        h("button", { onclick: copy }, t("action.copy")),
        h("button", { class: "quiet", onclick: close }, t("action.close")),
      ),
    );
  });
}
