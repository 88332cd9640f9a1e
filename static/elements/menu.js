// What may be done with the partner of a conversation: muting and blocking.
import { t } from "../i18n/i18n.js";
import { h } from "../ui/dom.js";

/** Pupils and guardians alone block each other; the server knows who is whose guardian. */
const BLOCKING = ["student", "guardian"];

export class ConversationMenu {
  #bell;
  #changed;
  #failed;
  #partner;

  /** `changed(partner)` is called after something was done, with what may be done now; `failed(error)` where it was not. */
  constructor(bell, { changed, failed }) {
    this.#bell = bell;
    this.#changed = changed;
    this.#failed = failed;
    this.element = h("details", { class: "more-menu", onkeydown: (event) => event.key === "Escape" && this.#shut(true) });
  }

  show(partner, ownRole) {
    this.#partner = partner;
    const { messages } = this.#bell;
    const { id, name } = partner;
    const choice = (text, run) => h("li", {}, h("button", { type: "button", onclick: () => this.#do(run) }, text));
    const isBlocked = partner.can?.why === "you_blocked";
    const mayBlock = !isBlocked && BLOCKING.includes(ownRole) && BLOCKING.includes(partner.role);
    const choices = [
      partner.muted
        ? choice(t("chat.unmute"), () => messages.unmute(id).then(() => (partner.muted = false)))
        : choice(t("chat.mute"), () => messages.mute(id).then(() => (partner.muted = true))),
      isBlocked && choice(t("chat.unblock", { name }), () => this.#bell.unblock(id)),
      mayBlock && choice(t("chat.block", { name }), () => this.#bell.block(id)),
    ];
    this.element.replaceChildren(
      h("summary", { "aria-label": t("chat.options") }, h("span", { "aria-hidden": "true" }, "⋯")),
      h(
        "div",
        { class: "sheet" },
        h("ul", {}, ...choices.filter(Boolean)),
        mayBlock && h("p", { class: "quiet" }, t("chat.block.text", { name })),
      ),
    );
  }

  #shut(focus) {
    this.element.open = false;
    if (focus) this.element.querySelector("summary").focus();
  }

  async #do(run) {
    const partner = this.#partner;
    try {
      await run();
      Object.assign(partner, await this.#bell.person(partner.id));
    } catch (error) {
      this.#failed(error);
      return this.#shut(true);
    }
    if (partner !== this.#partner) return;
    this.#changed(partner);
    this.#shut(true);
  }
}
