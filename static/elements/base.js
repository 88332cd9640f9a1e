// What both elements are built on: a connection that they share, a language, a style of their own.
import { connect } from "../schoolbell.js";
import { direction, load } from "../i18n/i18n.js";
import { countUnread, showHidden } from "../notices.js";
import { sheet } from "./style.js";

// Connections by where they lead and who is on them.
const shared = new Map();

function share(url, token) {
  const found = [...shared.values()].find((one) => one.url === url && one.token === token);
  if (found) {
    found.users += 1;
    return found;
  }
  const bell = connect({ url, token, echo: true });
  const one = { url, token, users: 1, bell, end: showHidden(bell) };
  shared.set(one.bell, one);
  return one;
}

function release(one) {
  one.users -= 1;
  if (one.users > 0) return;
  shared.delete(one.bell);
  one.end();
  one.bell.close();
}

export class SchoolbellElement extends HTMLElement {
  static observedAttributes = ["token", "url", "lang"];
  #token;
  #shared;
  #ends = [];

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet()];
  }

  /** A string, or a function that gives one. */
  set token(token) {
    if (token === this.#token) return;
    this.#token = token;
    this.#restart();
  }

  get token() {
    return this.#token ?? this.getAttribute("token") ?? undefined;
  }

  /** Where schoolbell is: where this module came from, unless the attribute says otherwise. */
  get url() {
    return this.getAttribute("url") ?? new URL("..", import.meta.url).href;
  }

  attributeChangedCallback(_, before, after) {
    if (before !== after) this.#restart();
  }

  #restart() {
    if (!this.#shared) return this.isConnected && this.connectedCallback();
    this.disconnectedCallback();
    if (this.isConnected) this.connectedCallback();
  }

  async connectedCallback() {
    await load(this.getAttribute("lang")?.split("-")[0]);
    if (!this.isConnected || this.#shared) return;
    // Another site's page has no cookie of ours: it is still to say who is there.
    if (this.token === undefined && new URL(this.url).origin !== location.origin) return;
    this.shadowRoot.host.dir = direction();
    this.#shared = share(this.url, this.token);
    this.bell = this.#shared.bell;
    const tell = (name, detail) => this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
    this.on("closed", (detail) => tell("schoolbell-closed", detail));
    this.#ends.push(countUnread(this.bell, (unread) => tell("schoolbell-unread", unread)));
    this.start();
  }

  disconnectedCallback() {
    if (!this.#shared) return;
    for (const end of this.#ends.splice(0)) end();
    release(this.#shared);
    this.#shared = undefined;
    this.shadowRoot.replaceChildren();
  }

  /** Listens for as long as the element is in the page. */
  on(name, handler) {
    this.#ends.push(this.bell.on(name, handler));
  }

  /** The same for something of the page. */
  listen(target, name, handler) {
    target.addEventListener(name, handler);
    this.#ends.push(() => target.removeEventListener(name, handler));
  }
}
