// The frame of a page with views: who is in, a menu, and the view that the address names. Each view is a module of its own.
import { connect } from "../schoolbell.js";
import { errorText, loadPage, t } from "../i18n/i18n.js";
import { api, belongTo, session } from "./api.js";
import { at } from "./base.js";
import { act, say } from "./dialog.js";
import { ICONS, h, icon } from "./dom.js";

export class Shell {
  #views;
  #within;
  #words;
  #named;
  #menuOf;
  #mayEnter;
  #watches;
  #prepare;
  #bell;
  #me;
  #place;
  #menu;
  // What the view that is shown wants to be told at its end.
  #leaving = [];
  #turn = 0;

  /**
   * `views`: what loads each, in the order of the menu; `within`: those that are not in it, and which one they belong to. `words`: the
   * keys of the page's `title`, of what asks to log in, `login`, and of what is said to whom it is not for, `only`. `named(view)`: what a
   * view is called. `mayEnter(me)` gives an element in place of the page, or nothing.
   * `menu(me)`: the views of the menu for this person, where not all are for everybody. `watches`: whether figures come by themselves. `prepare()` loads what the
   * page needs before anything is shown.
   */
  constructor({ views, within = {}, words, named, mayEnter, menu, watches = false, prepare = () => {} }) {
    this.#views = views;
    this.#within = within;
    this.#words = words;
    this.#named = named;
    this.#menuOf = menu ?? (() => Object.keys(views).filter((one) => !(one in within)));
    this.#mayEnter = mayEnter;
    this.#watches = watches;
    this.#prepare = prepare;
    // What is said in passing, and dialogs, stand beside it.
    this.root = document.body.appendChild(h("div"));
    addEventListener("hashchange", () => this.#show());
    session.addEventListener("over", () => this.#me && this.#askToLogIn(t("login.over")));
  }

  async start() {
    await loadPage();
    await this.#prepare();
    await this.enter(location.hash);
  }

  /** Shows the page to whoever is logged in, or asks who it is. */
  async enter(hash) {
    let me;
    try {
      me = (await api("PUT", "/api/auth/session")).user;
      belongTo(me.id);
      const instead = await this.#mayEnter(me, () => this.enter(hash));
      if (instead) return this.root.replaceChildren(instead);
    } catch (error) {
      if (error.status === 401) return this.#askToLogIn(t(this.#words.login));
      say(t("error.offline"));
      return setTimeout(() => this.enter(hash), 3_000);
    }
    this.#me = me;
    this.#open();
    if (hash !== location.hash) location.hash = hash;
    else this.#show();
  }

  /** What stands in place of the page for somebody whom it is not for. */
  refusal(me) {
    return h(
      "main",
      { class: "card narrow" },
      h("h1", {}, t(this.#words.title)),
      h("p", {}, t(this.#words.only, { name: me.name })),
      h(
        "p",
        { class: "buttons" },
        h("a", { class: "button", href: at("/") }, t("admin.chat")),
        h("button", { class: "quiet", onclick: act(logOut) }, t("logout")),
      ),
    );
  }

  async #askToLogIn(text) {
    this.#bell?.close();
    this.#me = undefined;
    this.#turn += 1;
    this.#leave();
    const hash = location.hash.startsWith("#/") ? location.hash : "";
    // What was shown goes at once.
    this.root.replaceChildren(h("main", {}, h("p", { class: "quiet" }, t("action.wait"))));
    try {
      // Loaded when it is needed: who is logged in does not wait for it.
      const { login } = await import("./login.js");
      const form = login({ title: t(this.#words.title), text, done: () => this.enter(hash) });
      this.root.replaceChildren(h("main", {}, form));
    } catch {
      say(t("error.offline"));
      return setTimeout(() => this.#askToLogIn(text), 3_000);
    }
    document.querySelector("input").focus();
  }

  #open() {
    // It shows figures, and no messages: who has only this page in front has seen none.
    const bell = connect({ url: at("/"), reads: false });
    this.#bell = bell;
    if (this.#watches) bell.watch();
    bell.on("closed", ({ code }) => code !== 1000 && this.#me && this.#askToLogIn(t("login.over")));
    const offline = h("span", { class: "quiet", role: "status" });
    bell.on("state", (state) => (offline.textContent = state === "connecting" ? t("admin.offline") : ""));
    this.#place = h("main", { id: "main" });
    this.#menu = h("nav", { "aria-label": t("admin.menu"), id: "menu" });
    const toggle = h(
      "button",
      { class: "plain menu", "aria-label": t("admin.menu"), "aria-expanded": "false", "aria-controls": "menu" },
      icon(ICONS.menu),
    );
    toggle.addEventListener("click", () => this.#unfold(this.#menu.dataset.open === undefined));
    this.root.replaceChildren(
      h(
        "div",
        { class: "admin" },
        h(
          "header",
          { class: "top" },
          toggle,
          h(
            "a",
            { class: "brand", href: `#/${this.#menuOf(this.#me)[0]}` },
            h("img", { src: at("/icons/icon.svg"), alt: "schoolbell" }),
            h("span", { "aria-hidden": "true" }, "schoolbell"),
          ),
          offline,
          h("a", { class: "button quiet", href: at("/") }, t("admin.chat")),
          h("button", { class: "quiet", onclick: act(logOut) }, t("logout")),
        ),
        this.#menu,
        this.#place,
      ),
    );
  }

  #unfold(unfolded) {
    if (unfolded) this.#menu.dataset.open = "";
    else delete this.#menu.dataset.open;
    document.querySelector(".menu").setAttribute("aria-expanded", String(unfolded));
  }

  async #show() {
    if (!this.#me || !this.#place) return;
    const mine = (this.#turn += 1);
    this.#leave();
    const { view, parameters } = this.#address();
    this.#unfold(false);
    const current = this.#within[view] ?? view;
    const link = (one) => h("li", {}, h("a", { href: `#/${one}`, "aria-current": one === current && "page" }, this.#named(one)));
    this.#menu.replaceChildren(h("ul", {}, ...this.#menuOf(this.#me).map(link)));
    // What a view that is left before it is shown wants to be told is told at once.
    const ends = [];
    const context = {
      parameters,
      me: this.#me,
      /** Listens to the connection for as long as the view is shown. */
      on: (event, handler) => ends.push(this.#bell.on(event, handler)),
      onLeave: (run) => ends.push(run),
      state: () => this.#bell.state,
    };
    let element;
    try {
      element = await (await this.#views[view]()).default(context);
    } catch (error) {
      element = h(
        "div",
        {},
        h("h1", {}, this.#named(current)),
        h("p", { class: "error", role: "alert" }, errorText(error)),
        h("p", {}, h("button", { onclick: () => this.#show() }, t("chat.again"))),
      );
    }
    if (mine !== this.#turn) return ends.forEach((end) => end());
    this.#leaving = ends;
    this.#place.replaceChildren(element);
    const heading = element.querySelector("h1");
    document.title = `${heading.textContent} · schoolbell`;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  /** Ends what the view that is shown has begun. */
  #leave() {
    for (const end of this.#leaving.splice(0)) end();
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  }

  /** Which view the address names, and what stands behind it. */
  #address() {
    const first = this.#menuOf(this.#me)[0];
    try {
      const [name, ...parameters] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
      const known = name in this.#views && this.#menuOf(this.#me).includes(this.#within[name] ?? name);
      return { view: known ? name : first, parameters };
    } catch {
      return { view: first, parameters: [] };
    }
  }
}

async function logOut() {
  const { logout } = await import("./login.js");
  await logout();
}
