// One conversation: its history, what is written, ticks, typing.
import { clock, dateTime, day, errorText, t } from "../i18n/i18n.js";
import { ICONS, h, icon } from "../ui/dom.js";
import { face, place, text } from "./list.js";
import { ConversationMenu } from "./menu.js";
import { MessageMenu } from "./message-menu.js";

// Milliseconds.
const TYPING_SHOWN = 6_000;
const TYPING_AGAIN = 2_000;
const TYPING_OVER = 4_000;
/** As near to the end as counts for being there, in pixels. */
const NEAR = 60;

export class ConversationWindow {
  #bell;
  #outbox;
  #close;
  #messages = [];
  #nodes = new Map();
  #before = null;
  #loading = false;
  #loaded = false;
  #drafts = new Map();
  #typingTo;
  #typed = 0;
  #typingTimer;
  #shownTimer;

  constructor(bell, { outbox, close }) {
    this.#bell = bell;
    this.#outbox = outbox;
    this.#close = close;
    this.title = h("h2", {});
    this.status = h("p", { class: "quiet" });
    this.person = h("div", {}, this.title, this.status);
    this.face = h("span");
    const back = icon(ICONS.back);
    back.classList.add("turn");
    this.menu = new ConversationMenu(bell, {
      changed: (partner) => partner === this.partner && this.allow(partner.can),
      failed: (error) => (this.note.textContent = errorText(error)),
    });
    this.head = h(
      "header",
      {},
      h("button", { class: "back", type: "button", "aria-label": t("chat.back"), onclick: () => this.#close() }, back),
      this.face,
      this.person,
      this.menu.element,
    );
    this.messageMenu = new MessageMenu(bell, { say: (said) => (this.note.textContent = said) });
    // What a safeguarding lead says to everybody who writes to them.
    this.notice = h("p", { class: "notice", dir: "auto" });
    this.list = h("div", {
      class: "messages",
      tabindex: "0",
      role: "group",
      "aria-label": t("chat.messages"),
      onscroll: () => this.#scrolled(),
    });
    this.state = h("p", { class: "state quiet" });
    this.spoken = h("span", { class: "spoken", role: "status" });
    this.text = h("textarea", {
      rows: 1,
      placeholder: t("chat.write"),
      "aria-label": t("chat.write"),
      maxlength: 4_000,
      enterkeyhint: "send",
      oninput: () => this.#typing(),
      onkeydown: (event) => this.#key(event),
    });
    const send = icon(ICONS.send);
    send.classList.add("turn");
    this.form = h(
      "form",
      { class: "compose", onsubmit: (event) => this.#send(event) },
      this.text,
      h("button", { "aria-label": t("chat.send") }, send),
    );
    // Why nothing can be written here, or when it is told.
    this.note = h("p", { class: "note-line quiet", role: "status" });
    this.empty = h("p", { class: "empty" }, t("chat.choose"));
    this.element = h(
      "section",
      { class: "window" },
      this.head,
      this.notice,
      this.list,
      this.state,
      this.spoken,
      this.note,
      this.form,
      this.empty,
    );
    this.#show(false);
    // A page may hide it and show it again.
    new IntersectionObserver(() => this.seen()).observe(this.list);
  }

  #show(open) {
    for (const part of [this.head, this.notice, this.list, this.state, this.note, this.form]) part.hidden = !open;
    this.empty.hidden = open;
  }

  get partnerId() {
    return this.partner?.id;
  }

  /** Shows the conversation with a user. */
  async open(partner) {
    if (partner.id === this.partnerId) return;
    this.#put();
    this.partner = partner;
    this.#loaded = false;
    this.#messages = [];
    this.#nodes.clear();
    this.#before = null;
    this.state.textContent = "";
    this.#show(true);
    this.element.setAttribute("aria-label", partner.name);
    this.presence(partner);
    this.#notice(partner);
    this.allow(partner.can);
    this.text.value = this.#drafts.get(partner.id) ?? "";
    this.#draw();
    await this.load();
  }

  /** Puts away what is being written to the partner of now. */
  #put() {
    if (!this.partner) return;
    this.#stopTyping();
    this.#drafts.set(this.partnerId, this.text.value);
  }

  leave() {
    this.#put();
    this.partner = undefined;
    this.#show(false);
  }

  /** The newest page, beside what is shown already. */
  async load() {
    const { partner } = this;
    const page = await this.#bell.messages.with(partner.id, { limit: 50 });
    if (partner !== this.partner) return;
    this.#loaded = true;
    const [first, last] = [page[0]?.seq ?? 0, page.at(-1)?.seq ?? 0];
    // What came while the page was on its way is newer than it.
    const newer = this.#messages.filter(({ seq }) => seq > last);
    // What was shown before is joined without a gap, or given up for the newest.
    const joined = this.#messages.some(({ seq }) => seq === first);
    const older = joined ? this.#messages.filter(({ seq }) => seq < first) : [];
    this.#messages = [...older, ...page, ...newer];
    if (!joined) this.#before = page.paging.before;
    this.#draw(true);
    this.#markRead();
  }

  async #older() {
    if (this.#loading || !this.#before) return;
    this.#loading = true;
    const { partner } = this;
    try {
      const page = await this.#bell.messages.with(partner.id, { limit: 50, before: this.#before });
      if (partner !== this.partner) return;
      const fromEnd = this.list.scrollHeight - this.list.scrollTop;
      this.#messages = [...page, ...this.#messages];
      this.#before = page.paging.before;
      this.#draw();
      this.list.scrollTop = this.list.scrollHeight - fromEnd;
    } catch {
      // Scrolling on asks again.
    } finally {
      this.#loading = false;
    }
  }

  #scrolled() {
    if (this.list.scrollTop < 200) this.#older();
    if (this.#atEnd()) this.#markRead();
  }

  /** Whether its partner's words are before a user's eyes. */
  get reading() {
    return document.visibilityState === "visible" && this.list.clientHeight > 0 && this.#atEnd();
  }

  #atEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR;
  }

  /** A message of this conversation, of whichever side. */
  arrived(message) {
    if (this.#messages.some(({ id }) => id === message.id)) return;
    this.#messages.push(message);
    this.#messages.sort((a, b) => a.seq - b.seq);
    const theirs = message.senderId === this.partnerId;
    if (theirs) {
      this.spoken.textContent = `${message.sender.name}: ${text(message)}`;
      this.showTyping(false);
    }
    this.#draw(this.#atEnd() || !theirs);
    if (theirs && this.partner.can?.write === "no") this.askAgain();
    if (theirs) this.#markRead();
  }

  /** A message was taken back: it keeps its place. */
  removed(id, removed) {
    const message = this.#messages.find((one) => one.id === id);
    if (!message) return;
    Object.assign(message, { content: "", removed });
    this.#draw();
  }

  /** Who is logged in: what may be done with people and messages depends on it. */
  knowOwn({ role, duties }) {
    this.ownRole = role;
    this.messageMenu.isLead = duties?.includes("safeguarding") ?? false;
    this.#nodes.clear();
    if (this.partner) this.#draw();
  }

  #notice({ notice }) {
    this.notice.textContent = notice ?? "";
  }

  /** The partner has read up to this message. */
  readUpTo({ upTo, readAt }) {
    const last = this.#messages.find(({ id }) => id === upTo)?.seq ?? Infinity;
    for (const message of this.#messages) {
      if (message.receiverId === this.partnerId && message.seq <= last && !message.read) Object.assign(message, { read: true, readAt });
    }
    this.#draw();
  }

  /** Who the partner is, where only the id was known. */
  know(person) {
    Object.assign(this.partner, person);
    this.element.setAttribute("aria-label", person.name);
    this.presence(person);
    this.#notice(person);
    this.allow(person.can);
  }

  /** What may be done here now: without the right to write there is a sentence in place of the field. */
  allow(can) {
    this.partner.can = can;
    const { name } = this.partner;
    const may = can?.write !== "no";
    this.form.hidden = !may;
    const until = can?.quietUntil;
    this.note.textContent = may ? (until ? t("chat.quietUntil", { name, time: clock(until) }) : "") : t(`chat.can.${can.why}`, { name });
    this.menu.show(this.partner, this.ownRole);
  }

  /** Asks again what may be done here: a message that came can be answered, one that was refused shows that something has changed. */
  async askAgain() {
    const { partner } = this;
    if (!partner) return;
    const known = await this.#bell.person(partner.id).catch(() => undefined);
    if (known && partner === this.partner) this.know(known);
  }

  presence({ online, lastSeenAt }) {
    Object.assign(this.partner, { online, lastSeenAt });
    const where = place(this.partner);
    this.title.replaceChildren(
      h("span", {}, this.partner.name),
      ...(where ? [h("span", { class: "place quiet", dir: "auto" }, where)] : []),
    );
    this.face.replaceChildren(face(this.partner));
    this.status.textContent = online ? t("chat.online") : lastSeenAt ? t("chat.lastSeen", { time: dateTime(lastSeenAt) }) : "";
  }

  showTyping(typing) {
    clearTimeout(this.#shownTimer);
    this.state.textContent = typing ? t("chat.typing", { name: this.partner.name }) : "";
    if (typing) this.#shownTimer = setTimeout(() => this.showTyping(false), TYPING_SHOWN);
  }

  /** What is shown and can be seen counts as read. */
  async #markRead() {
    const last = this.#messages.findLast(({ senderId }) => senderId === this.partnerId);
    if (!last || last.read || !this.reading) return;
    for (const message of this.#messages) if (message.senderId === this.partnerId) message.read = true;
    try {
      await this.#bell.messages.markRead(this.partnerId, last.id);
    } catch {
      last.read = false;
    }
  }

  /** After the page was out of sight. */
  seen() {
    if (this.partner) this.#markRead();
  }

  #key(event) {
    // Enter ends a word in some scripts; there it does not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  #send(event) {
    event.preventDefault();
    const content = this.text.value.trim();
    if (!content) return;
    this.text.value = "";
    this.#stopTyping();
    this.#outbox().add(this.partnerId, content);
    this.#draw(true);
  }

  /** Something became of what was written here. */
  settled(entry, message) {
    if (entry.to !== this.partnerId) return;
    this.#nodes.delete(entry.clientId);
    if (message) this.arrived(message);
    else {
      this.#draw();
      if (entry.problem?.code === "policy_denied") this.askAgain();
    }
  }

  #typing() {
    const now = Date.now();
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.#stopTyping(), TYPING_OVER);
    if (now - this.#typed < TYPING_AGAIN) return;
    this.#typed = now;
    this.#typingTo = this.partnerId;
    this.#bell.typing(this.#typingTo, true);
  }

  #stopTyping() {
    clearTimeout(this.#typingTimer);
    if (this.#typed) this.#bell.typing(this.#typingTo, false);
    this.#typed = 0;
  }

  #draw(toEnd = false) {
    const lines = [];
    let shown = "";
    const sent = new Set(this.#messages.map(({ clientId }) => clientId));
    const waiting = (this.#outbox()?.to(this.partnerId) ?? []).filter(({ clientId }) => !sent.has(clientId));
    for (const message of [...this.#messages, ...waiting]) {
      const today = new Date(message.createdAt).toDateString();
      if (today !== shown) lines.push(this.#node(`day ${today}`, () => h("div", { class: "day" }, day(message.createdAt))));
      shown = today;
      lines.push(message.id ? this.#message(message) : this.#pending(message));
    }
    if (!lines.length && this.#loaded) lines.push(h("p", { class: "empty" }, t("chat.first")));
    this.list.replaceChildren(...lines);
    if (toEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  #node(key, make) {
    if (!this.#nodes.has(key)) this.#nodes.set(key, make());
    return this.#nodes.get(key);
  }

  #message(message) {
    const own = message.receiverId === this.partnerId;
    const key = `${message.id} ${own && message.read} ${message.removed?.by}`;
    const tick = message.read ? ["✓✓", t("chat.read")] : ["✓", t("chat.sent")];
    const ticks = own && [
      h("span", { "aria-hidden": "true", "data-tick": message.read ? "read" : "sent" }, tick[0]),
      h("span", { class: "spoken" }, tick[1]),
    ];
    return this.#node(key, () =>
      h(
        "div",
        { class: `message${own ? " own" : ""}${message.removed ? " removed" : ""}` },
        h("span", { class: "spoken" }, own ? t("chat.from.you") : t("chat.from", { name: this.partner.name })),
        h("p", { dir: "auto" }, text(message)),
        h(
          "div",
          { class: "meta" },
          this.messageMenu.button(message, own, this.partner),
          h("time", { datetime: message.createdAt, title: dateTime(message.createdAt) }, clock(message.createdAt)),
          ...(ticks || []),
        ),
      ),
    );
  }

  #pending(entry) {
    const { problem } = entry;
    const again = () => {
      this.#outbox().retry(entry);
      this.#draw();
    };
    const drop = () => {
      this.#outbox().drop(entry);
      this.#draw();
    };
    return h(
      "div",
      { class: problem ? "message own failed" : "message own", "data-pending": true },
      h("p", { dir: "auto" }, entry.content),
      problem
        ? h(
            "div",
            { class: "meta" },
            h("span", { class: "wrong" }, errorText(problem)),
            h("button", { type: "button", onclick: again }, t("chat.again")),
            h("button", { type: "button", onclick: drop }, t("chat.drop")),
          )
        : h("div", { class: "meta" }, t("chat.sending")),
    );
  }
}
