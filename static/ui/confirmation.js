// Asks that it is still the same person, before what a stranger at an unlocked computer must not do.
import { t } from "../i18n/i18n.js";
import { api } from "./api.js";
import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { form } from "./form.js";
import { provider } from "./login.js";

/** Milliseconds that must be left for what comes next. */
const MARGIN = 5_000;

/** Asks for the password, or a code. Rejects with `refusal` where the dialog is closed instead. */
export function askAgain(refusal) {
  return new Promise((resolve, reject) => {
    let done = false;
    const close = dialog(t("confirm.title"), (cancel) => {
      const { element } = form({
        fields: [
          { name: "password", kind: "password", label: t("login.password"), autocomplete: "current-password" },
          { name: "code", label: t("confirm.code"), autocomplete: "one-time-code", inputmode: "numeric" },
        ],
        submit: t("confirm.submit"),
        cancel,
        send: async ({ password, code }) => {
          await api("POST", "/api/auth/confirm", code.trim() ? { code } : { password });
          done = true;
          cancel();
          resolve();
        },
      });
      const elsewhere = h("p", {});
      // Who has no password here logs in once more where they have one.
      provider(true)
        .then((link) => link && elsewhere.append(link))
        .catch(() => {});
      return h("div", {}, h("p", {}, t("confirm.text")), element, elsewhere);
    });
    close.element.addEventListener("close", () => done || reject(refusal));
  });
}

/** As `askAgain`, unless it was just confirmed: before a link that the browser follows by itself. */
export async function confirmed() {
  const { until } = await api("GET", "/api/auth/confirm");
  if (until && Date.now() + MARGIN < new Date(until)) return;
  await askAgain(new Error(t("error.confirmation_required")));
}
