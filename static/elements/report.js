// Reporting a message: why, what to know, and what happens then.
import { errorText, t } from "../i18n/i18n.js";
import { freshId, h } from "../ui/dom.js";

const REASONS = ["bullying", "unwanted", "danger", "other"];
const NOTE_MAX = 2_000;

/** Asks in a dialog within `root`; `send(reason, note)` sends the report. */
export function reportDialog(root, name, send) {
  const title = freshId("report");
  const reasons = REASONS.map((reason) => {
    const id = freshId("reason");
    const box = h("input", { type: "radio", name: "reason", id, value: reason, required: true, onchange: () => changed(reason) });
    return h("div", {}, box, h("label", { for: id }, t(`report.reason.${reason}`)));
  });
  const noteId = freshId("note");
  const note = h("textarea", { id: noteId, rows: 3, maxlength: NOTE_MAX });
  const urgent = h("p", { class: "wrong", role: "status" });
  const problem = h("p", { class: "wrong", role: "alert" });
  const button = h("button", { class: "main" }, t("report.send"));

  function changed(reason) {
    urgent.textContent = reason === "danger" ? t("report.urgent") : "";
  }

  const submit = async (event) => {
    event.preventDefault();
    const { value } = new FormData(event.target).get("reason") ? event.target.elements.reason : { value: "" };
    button.disabled = true;
    try {
      await send(value, note.value.trim());
      dialog.close();
    } catch (error) {
      problem.textContent = errorText(error);
      button.disabled = false;
    }
  };
  const dialog = h(
    "dialog",
    { class: "report", "aria-labelledby": title },
    h(
      "form",
      { onsubmit: submit },
      h("h2", { id: title }, t("report.title")),
      h("p", {}, t("report.text", { name })),
      h("fieldset", {}, h("legend", {}, t("report.reason")), ...reasons),
      urgent,
      h("label", { for: noteId }, t("report.note")),
      note,
      problem,
      h("div", { class: "buttons" }, button, h("button", { type: "button", onclick: () => dialog.close() }, t("action.cancel"))),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  root.append(dialog);
  dialog.showModal();
}
