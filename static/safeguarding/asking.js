// What the forms here have in common: the dialog they are in, people by name, and a reason.
import { errorText, t } from "../i18n/i18n.js";
import { api, query } from "../ui/api.js";
import { dialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { field } from "../ui/form.js";
import { peoplePicker } from "../ui/people.js";

/** A lead may write to everybody, and so finds everybody. */
const search = (words) => api("GET", `/api/users${query({ search: words, limit: 8 })}`);

export const twoPeople = (label) => peoplePicker({ label, search });

export const reasonField = () => field({ name: "reason", kind: "textarea", label: t("sg.why"), required: true, maxlength: 2000 });

/** Asks for these fields in a dialog. It closes once `send` has succeeded; until then it shows the error. */
export function ask({ title, fields, send, done }) {
  dialog(title, (close) => {
    const problem = h("p", { class: "error", role: "alert" });
    const onsubmit = async (event) => {
      event.preventDefault();
      try {
        await send();
        close();
        done();
      } catch (error) {
        problem.textContent = errorText(error);
      }
    };
    return h(
      "form",
      { class: "form", onsubmit },
      ...fields.map(({ element }) => element),
      problem,
      h("div", { class: "buttons" }, h("button", {}, title)),
    );
  });
}
