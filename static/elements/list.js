// The list of conversations, and the search for people and messages.
import { short, t, number } from "../i18n/i18n.js";
import { debounce, h } from "../ui/dom.js";

/** Two letters in a circle. */
export function face(person) {
  const words = person.name.split(/\s+/).filter(Boolean);
  const letters = [words[0], words.length > 1 && words.at(-1)].filter(Boolean).map((word) => [...word][0]);
  return h("span", { class: "face", "aria-hidden": "true", "data-online": person.online }, letters.join("").toUpperCase());
}

/** Who somebody is in the school: role and class, or whose parent. Nothing, of who is only known from a message. */
export function place({ role, classes = [], children = [] }) {
  if (!role) return "";
  const child = ({ name, classes: own }) => (own.length ? t("person.child", { name, classes: own.join(", ") }) : name);
  const parent = children.length > 0 && t("person.parentOf", { names: children.map(child).join(", ") });
  // Of a guardian that says it all.
  if (parent && role === "guardian") return parent;
  return [t(`role.${role}`), classes.join(", "), parent].filter(Boolean).join(" · ");
}

/** A name, and below it or beside it who it is. */
function titled(person) {
  const where = place(person);
  return h(
    "div",
    { class: "name", dir: "auto" },
    h("span", {}, person.name),
    where && h("span", { class: "place quiet", dir: "auto" }, where),
  );
}

/** What a message says; of one that was taken back, that it was. */
export const text = ({ content, removed }) => (removed ? t(`chat.removed.${removed.by}`) : content);

export class ConversationList {
  #bell;
  #open;
  #before = null;
  #all = [];
  #current;

  /** `open(partner)` is called when a user is chosen. */
  constructor(bell, open) {
    this.#bell = bell;
    this.#open = open;
    this.input = h("input", {
      type: "search",
      placeholder: t("chat.search"),
      "aria-label": t("chat.search"),
      autocomplete: "off",
      oninput: debounce(() => this.#search()),
    });
    this.found = h("div", { class: "scroll", hidden: true });
    this.list = h("ul", {});
    this.more = h("button", { class: "more", type: "button", hidden: true, onclick: () => this.load(true) }, t("action.more"));
    this.conversations = h("div", { class: "scroll" }, this.list, this.more);
    this.element = h(
      "div",
      { class: "list", role: "group", "aria-label": t("chat.conversations") },
      h("div", { class: "find" }, this.input),
      this.found,
      this.conversations,
    );
  }

  async load(older = false) {
    const page = await this.#bell.messages.conversations({ limit: 30, before: older ? this.#before : undefined });
    this.#all = older ? [...this.#all, ...page] : this.#merged(page);
    this.#before = page.paging.before;
    this.draw();
  }

  /** What came while the page was on its way is newer than it. */
  #merged(page) {
    const last = ({ lastMessage }) => lastMessage.seq;
    const newest = page.length ? last(page[0]) : 0;
    const known = new Map(this.#all.map((one) => [one.partner.id, one]));
    const merged = page.map((one) => {
      const before = known.get(one.partner.id);
      return before && last(before) > last(one) ? before : one;
    });
    const ids = new Set(merged.map(({ partner }) => partner.id));
    const fresh = this.#all.filter((one) => last(one) > newest && !ids.has(one.partner.id));
    return [...fresh, ...merged].sort((a, b) => last(b) - last(a));
  }

  partner(id) {
    return this.#all.find(({ partner }) => partner.id === id)?.partner;
  }

  /** With what may be done in the conversation. */
  known(id) {
    const found = this.#all.find(({ partner }) => partner.id === id);
    return found && { ...found.partner, can: found.can, muted: found.muted };
  }

  select(partnerId) {
    this.#current = partnerId;
    this.draw();
  }

  /** A message to or from a user: their conversation is the first now. */
  message(message, partner, unread) {
    const known = this.#all.find((one) => one.partner.id === partner.id);
    // It is counted already.
    if (known && known.lastMessage.seq >= message.seq) return;
    const conversation = known ?? { partner: { ...partner, online: false }, unreadCount: 0, muted: false };
    conversation.lastMessage = message;
    if (unread) conversation.unreadCount += 1;
    this.#all = [conversation, ...this.#all.filter((one) => one !== conversation)];
    this.draw();
  }

  /** A message was taken back: it says nothing any more, and counts as unread no more. */
  removed(id, removed) {
    const found = this.#all.find(({ lastMessage }) => lastMessage.id === id);
    if (found) Object.assign(found.lastMessage, { content: "", removed });
    this.draw();
    if (this.#all.some(({ unreadCount }) => unreadCount)) this.load().catch(() => {});
  }

  read(partnerId) {
    const found = this.#all.find(({ partner }) => partner.id === partnerId);
    if (found) found.unreadCount = 0;
    this.draw();
  }

  presence({ userId, online, lastSeenAt }) {
    const found = this.partner(userId);
    if (found) Object.assign(found, { online, lastSeenAt });
    this.draw();
  }

  draw() {
    const empty = h("li", { class: "empty" }, t("chat.none"));
    const items = this.#all.map((one) => h("li", {}, this.#item(one)));
    // A user who is on one of them with the keyboard stays there.
    const at = [...this.list.querySelectorAll("button")].indexOf(this.list.getRootNode().activeElement);
    const focused = at >= 0 && this.list.querySelectorAll("button")[at].dataset.partner;
    this.list.replaceChildren(...(items.length ? items : [empty]));
    if (focused) this.list.querySelector(`[data-partner="${CSS.escape(focused)}"]`)?.focus();
    this.more.hidden = !this.#before;
  }

  #item({ partner, lastMessage, unreadCount }) {
    const own = lastMessage.receiverId === partner.id;
    const said = text(lastMessage);
    const last = own ? t("chat.you", { text: said }) : said;
    return h(
      "button",
      {
        class: "talk",
        type: "button",
        "data-partner": partner.id,
        "aria-current": partner.id === this.#current && "true",
        onclick: () => this.#open(this.known(partner.id)),
      },
      face(partner),
      h("span", { class: "text" }, titled(partner), h("div", { class: "last quiet", dir: "auto" }, last)),
      h(
        "span",
        { class: "side" },
        h("span", { class: "quiet" }, short(lastMessage.createdAt)),
        unreadCount > 0 && h("span", { class: "badge" }, number(unreadCount), h("span", { class: "spoken" }, ` ${t("bell.unread")}`)),
      ),
      partner.online && h("span", { class: "spoken" }, t("chat.online")),
    );
  }

  async #search() {
    const words = this.input.value.trim();
    this.found.hidden = !words;
    this.conversations.hidden = Boolean(words);
    if (!words) return;
    try {
      const [people, messages] = await Promise.all([this.#bell.people(words), this.#bell.messages.search(words)]);
      if (this.input.value.trim() !== words) return;
      this.#found(people, messages);
    } catch {
      this.found.replaceChildren(h("p", { class: "empty" }, t("error.offline")));
    }
  }

  #found(people, messages) {
    const choose = (partner) => () => {
      this.input.value = "";
      this.#search();
      this.#open(partner);
    };
    const person = (one) =>
      h(
        "li",
        {},
        h("button", { class: "talk", type: "button", onclick: choose(one) }, face(one), h("span", { class: "text" }, titled(one))),
      );
    const message = (one) => {
      const partner = this.#mine(one) ? one.receiver : one.sender;
      const text = h(
        "span",
        { class: "text" },
        h("div", { class: "name", dir: "auto" }, partner.name),
        h("div", { class: "last quiet", dir: "auto" }, one.content),
      );
      const time = h("span", { class: "side quiet" }, short(one.createdAt));
      return h("li", {}, h("button", { class: "talk", type: "button", onclick: choose(partner) }, face(partner), text, time));
    };
    const nothing = !people.length && !messages.length && h("p", { class: "empty" }, t("chat.nothing"));
    this.found.replaceChildren(
      ...[
        people.length > 0 && h("h3", {}, t("chat.people")),
        people.length > 0 && h("ul", {}, ...people.map(person)),
        messages.length > 0 && h("h3", {}, t("chat.messages")),
        messages.length > 0 && h("ul", {}, ...messages.map(message)),
        nothing,
      ].filter(Boolean),
    );
  }

  #mine(message) {
    return message.senderId === this.userId;
  }
}
