// What may be done with a message: reporting it, taking it back.
import { errorText, t } from "../i18n/i18n.js";
import { h } from "../ui/dom.js";
import { reportDialog } from "./report.js";

export class MessageMenu {
  #bell;
  #say;
  /** Whether the one who is logged in is a safeguarding lead, who removes any message. */
  isLead = false;

  /** `say(text)` shows what came of it. */
  constructor(bell, { say }) {
    this.#bell = bell;
    this.#say = say;
  }

  /** The button beside a message, and what it opens. */
  button(message, own, partner) {
    const choice = (text, run) => h("li", {}, h("button", { type: "button", onclick: run }, text));
    const shut = () => {
      menu.open = false;
      menu.querySelector("summary").focus();
    };
    const remove = async () => {
      shut();
      await this.#bell.messages.remove(message.id).catch((error) => this.#say(errorText(error)));
    };
    const report = () => {
      shut();
      const send = async (reason, note) => {
        await this.#bell.messages.report(message.id, reason, note);
        this.#say(t("report.done"));
      };
      reportDialog(menu.getRootNode(), partner.name, send);
    };
    const choices = [
      choice(t("chat.report"), report),
      !message.removed && own && choice(t("chat.takeBack"), remove),
      !message.removed && !own && this.isLead && choice(t("chat.remove"), remove),
    ];
    const menu = h(
      "details",
      { class: "message-menu", onkeydown: (event) => event.key === "Escape" && shut() },
      h("summary", { "aria-label": t("chat.options.message") }, h("span", { "aria-hidden": "true" }, "⋯")),
      h("ul", { class: "sheet" }, ...choices.filter(Boolean)),
    );
    // One at a time, and none once the eyes are elsewhere.
    menu.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !menu.contains(relatedTarget) && (menu.open = false));
    return menu;
  }
}
