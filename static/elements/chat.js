// The chat: a list of conversations and the open one, side by side or, where it is narrow, one after the other.
import { t } from "../i18n/i18n.js";
import { h } from "../ui/dom.js";
import { SchoolbellElement } from "./base.js";
import { ConversationList } from "./list.js";
import { Outbox } from "./outbox.js";
import { ConversationWindow } from "./window.js";

/** Milliseconds. */
const RETRY = 3_000;

export class SchoolbellChat extends SchoolbellElement {
  #userId;
  #outbox;
  #wanted;

  start() {
    const { bell } = this;
    this.#userId = this.#outbox = undefined;
    this.list = new ConversationList(bell, (partner) => {
      this.open(partner);
      this.window.text.focus({ preventScroll: true });
    });
    this.window = new ConversationWindow(bell, { outbox: () => this.#outbox, close: () => this.close() });
    this.offline = h("p", { class: "offline", role: "status", hidden: true });
    this.grid = h("div", { class: "chat" }, this.list.element, this.window.element);
    // The open conversation speaks for itself; this is for the others.
    this.spoken = h("span", { class: "spoken", role: "status" });
    this.shadowRoot.replaceChildren(this.offline, this.grid, this.spoken);
    this.on("connected", (connected) => this.#connected(connected));
    this.on("state", (state) => this.#state(state));
    this.on("closed", ({ code }) => code !== 1000 && this.#say(t("chat.closed")));
    this.on("new_message", (message) => this.#message(message));
    this.on("message_read", (read) => this.#read(read));
    this.on("message_removed", (removed) => this.#removed(removed));
    this.on("typing", ({ userId, typing }) => userId === this.window.partnerId && this.window.showTyping(typing));
    this.on("presence", (presence) => {
      this.list.presence(presence);
      if (presence.userId === this.window.partnerId) this.window.presence(presence);
    });
    this.on("resync", () => this.#load());
    this.listen(document, "visibilitychange", () => this.window.seen());
    this.#wanted = this.getAttribute("partner") ?? undefined;
    this.#load();
    if (bell.state === "closed") this.#say(t("chat.closed"));
  }

  /** Shows the conversation with a user: a person, or their id. */
  async open(partner) {
    const person = typeof partner === "string" ? (this.list.known(partner) ?? { id: partner, name: partner }) : { ...partner };
    this.grid.dataset.open = "";
    this.list.select(person.id);
    this.dispatchEvent(new CustomEvent("schoolbell-chat", { detail: person, bubbles: true, composed: true }));
    try {
      const opened = this.window.open(person);
      const known = await this.bell.person(person.id);
      if (this.window.partnerId === person.id) this.window.know(known);
      await opened;
    } catch {
      // The line about the lost connection is there; when it is back, all is loaded again.
    }
  }

  /** Back to the list. */
  close() {
    const before = this.window.partnerId;
    delete this.grid.dataset.open;
    this.window.leave();
    this.list.select(undefined);
    this.dispatchEvent(new CustomEvent("schoolbell-chat", { detail: null, bubbles: true, composed: true }));
    this.list.list.querySelector(`[data-partner="${CSS.escape(before ?? "")}"]`)?.focus();
  }

  #connected({ userId }) {
    if (userId !== this.#userId) {
      // Until that is known, nobody can be blocked here.
      this.bell
        .me()
        .then((me) => this.window.knowOwn(me))
        .catch(() => {});
      this.#userId = userId;
      this.list.userId = userId;
      this.#outbox = new Outbox(this.bell, userId, (entry, message) => {
        if (message) this.list.message(message, message.receiver, false);
        this.window.settled(entry, message);
      });
    }
    this.#load();
  }

  async #load() {
    if (!this.#outbox) return this.#known();
    this.#outbox.flush();
    const { bell } = this;
    try {
      await this.list.load();
      const wanted = this.#wanted;
      this.#wanted = undefined;
      if (wanted) await this.open(wanted);
      else if (this.window.partner) await this.window.load();
    } catch {
      // Without a connection it is loaded when that is back.
      setTimeout(() => bell === this.bell && bell.state === "open" && this.#load(), RETRY);
    }
  }

  // The connection that this element shares may have been there before it.
  async #known() {
    if (this.bell.state === "open" && this.bell.userId) this.#connected({ userId: this.bell.userId });
  }

  #state(state) {
    if (state === "closed") return;
    this.#say(state === "open" ? "" : t("chat.offline"));
  }

  #say(text) {
    this.offline.textContent = text;
    this.offline.hidden = !text;
  }

  #message(message) {
    const own = message.senderId === this.#userId;
    const partner = own ? message.receiver : message.sender;
    const open = partner.id === this.window.partnerId;
    this.list.message(message, partner, !own && !(open && this.window.reading));
    if (open) this.window.arrived(message);
    if (!own && !open) this.spoken.textContent = t("chat.arrived", { name: partner.name, text: message.content });
    if (!own) this.dispatchEvent(new CustomEvent("schoolbell-message", { detail: message, bubbles: true, composed: true }));
    if (!own && !this.list.partner(partner.id)?.online) this.#presence(partner.id);
  }

  // Presence is told to those who have a conversation: with the first message there is one.
  async #presence(id) {
    const [presence] = await this.bell.presence([id]).catch(() => []);
    if (!presence) return;
    this.list.presence(presence);
    if (id === this.window.partnerId) this.window.presence(presence);
  }

  #removed({ id, by }) {
    const removed = { by, at: new Date().toISOString() };
    this.list.removed(id, removed);
    this.window.removed(id, removed);
  }

  #read({ readerId, partnerId, upTo, readAt }) {
    if (readerId === this.#userId) this.list.read(partnerId);
    else if (readerId === this.window.partnerId) this.window.readUpTo({ upTo, readAt });
  }
}
