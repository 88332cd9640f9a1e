// The bell: how many notifications are unread, and a panel with them.
import { dateTime, number, t } from "../i18n/i18n.js";
import { ICONS, h, icon } from "../ui/dom.js";
import { SchoolbellElement } from "./base.js";

export class SchoolbellBell extends SchoolbellElement {
  #unread = 0;
  #notes = [];
  #before = null;
  #loaded = false;

  start() {
    this.#draw();
    this.#notes = [];
    this.#loaded = false;
    // The connection may have been there before this element.
    if (this.bell.unread) this.#count(this.bell.unread.notifications);
    this.on("connected", ({ unread }) => {
      this.#count(unread.notifications);
      if (this.#loaded) this.#load();
    });
    this.on("unread", ({ notifications }) => this.#count(notifications));
    this.on("notification", (note) => this.#arrived(note));
    this.on("notifications_read", (read) => this.#read(read));
    this.on("resync", () => this.#loaded && this.#load());
    this.listen(document, "pointerdown", (event) => event.composedPath().includes(this) || this.#show(false));
    this.listen(this, "keydown", (event) => event.key === "Escape" && this.#close());
    this.listen(this, "focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.contains(relatedTarget) && !this.shadowRoot.contains(relatedTarget)) this.#show(false);
    });
  }

  #draw() {
    this.badge = h("span", { class: "badge", hidden: true, "aria-hidden": "true" });
    this.button = h(
      "button",
      { class: "ring", type: "button", "aria-expanded": "false", onclick: () => this.#show(this.panel.hidden) },
      icon(ICONS.bell),
      this.badge,
    );
    this.spoken = h("span", { class: "spoken", role: "status" });
    this.all = h("button", { class: "link", type: "button", onclick: () => this.#readAll() }, t("bell.readAll"));
    this.list = h("ul", {});
    this.more = h("button", { class: "more", type: "button", hidden: true, onclick: () => this.#load(true) }, t("action.more"));
    this.panel = h(
      "section",
      { class: "panel", hidden: true, "aria-label": t("bell.title") },
      h("header", {}, h("h2", {}, t("bell.title")), this.all),
      h("div", { class: "scroll", tabindex: "-1" }, this.list, this.more),
    );
    this.shadowRoot.replaceChildren(this.button, this.panel, this.spoken);
    this.#count(0);
  }

  #count(unread) {
    this.#unread = unread;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread > 99 ? "99+" : number(unread);
    this.button.setAttribute("aria-label", t("bell.label", { n: unread }));
    this.all.hidden = unread === 0;
  }

  #show(open) {
    if (this.panel.hidden === !open) return;
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.#fit();
    this.#load();
  }

  /** Moves the panel into the window, wherever the bell is. */
  #fit() {
    this.panel.style.translate = "";
    const { left, right } = this.panel.getBoundingClientRect();
    const over = Math.max(0, right - document.documentElement.clientWidth + 8);
    const under = Math.max(0, 8 - left);
    this.panel.style.translate = `${under - over}px`;
  }

  #close() {
    if (this.panel.hidden) return;
    this.#show(false);
    this.button.focus();
  }

  async #load(older = false) {
    try {
      const page = await this.bell.notifications.list({ limit: 20, before: older ? this.#before : undefined });
      this.#notes = older ? [...this.#notes, ...page] : [...page];
      this.#before = page.paging.before;
      this.#loaded = true;
      this.#list();
    } catch {
      if (!this.#loaded) this.list.replaceChildren(h("li", { class: "empty" }, t("error.offline")));
    }
  }

  #list() {
    const empty = h("li", { class: "empty" }, t("bell.empty"));
    // A user who is on one of them with the keyboard stays there.
    const focused = this.shadowRoot.activeElement?.dataset.id;
    this.list.replaceChildren(...(this.#notes.length ? this.#notes.map((note) => this.#item(note)) : [empty]));
    if (focused) this.list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
    this.more.hidden = !this.#before;
  }

  #item(note) {
    const button = h(
      "button",
      { class: "note", type: "button", "data-id": note.id, "data-unread": !note.read, onclick: () => this.#open(note) },
      h("strong", { dir: "auto" }, note.title),
      h("span", { dir: "auto" }, note.message),
      note.sender &&
        h("span", { class: "quiet", dir: "auto" }, t("bell.from", { name: note.sender.name, role: t(`role.${note.sender.role}`) })),
      elsewhere(note.link) && h("span", { class: "quiet", dir: "ltr" }, t("bell.leads", { host: elsewhere(note.link) })),
      h("span", { class: "quiet" }, note.read ? dateTime(note.createdAt) : `${dateTime(note.createdAt)} · ${t("bell.unread")}`),
    );
    return h("li", {}, button);
  }

  #arrived(note) {
    // What was missed is counted in `connected` already.
    if (note.seq > this.bell.upTo) this.#count(this.#unread + 1);
    this.spoken.textContent = `${note.title}. ${note.message}`;
    if (!this.#loaded || this.#notes.some(({ id }) => id === note.id)) return;
    this.#notes.unshift(note);
    this.#list();
  }

  #read({ ids, all }) {
    for (const note of this.#notes) if (all || ids.includes(note.id)) note.read = true;
    if (this.#loaded) this.#list();
  }

  async #open(note) {
    if (!note.read) {
      note.read = true;
      this.#count(Math.max(0, this.#unread - 1));
      this.#list();
      await this.bell.notifications.markRead(note.id).catch(() => {});
    }
    // A page may lead there in its own way.
    const go = new CustomEvent("schoolbell-open", { detail: note, bubbles: true, composed: true, cancelable: true });
    if (this.dispatchEvent(go) && note.link) location.assign(note.link);
  }

  async #readAll() {
    try {
      await this.bell.notifications.markAllRead();
      this.#count(0);
      this.#read({ all: true });
      this.button.focus();
    } catch {
      this.spoken.textContent = t("error.offline");
    }
  }
}

/** The host of a link that leads away from here: a user who follows it should know where to. */
function elsewhere(link) {
  if (!link) return undefined;
  const { host } = new URL(link, location.href);
  return host === location.host ? undefined : host;
}
