// A client of schoolbell for a page: live events over a WebSocket that comes back by itself and misses nothing, and the
// routes for messages, notifications and presence. No dependency, no build step. Types are in schoolbell.d.ts.
//
//   import { connect } from "https://bell.school.example/schoolbell.js";
//   const bell = connect({ url: "https://bell.school.example", token: () => myApp.freshToken() });
//   bell.on("notification", (notification) => show(notification.title));
//   bell.on("new_message", (message) => append(message));
//   await bell.messages.send(teacher.id, "Thank you!");
import { dataOf } from "./push.js";
export { SchoolbellError, disablePush, enablePush, pushState, refreshPush } from "./push.js";

// Close codes from here on say: do not come back.
const FINAL = 4500;
const LOGGED_OUT = 4500;
const TOKEN_EXPIRED = 4001;
const TOO_MANY_FRAMES = 4004;
// Milliseconds.
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
// A browser does not show the server's pings to a page. After this much silence the page asks, and waits this long.
const SILENCE = 30_000;
const PATIENCE = 10_000;
// The page tells how far it has got, at most so often.
const ACK_EVERY = 1_000;

/**
 * Opens a connection. `token` is a string, or a function that gives one; it is asked again whenever one has expired. Without
 * one, the cookie of the server's own pages says who it is.
 */
export function connect(options = {}) {
  return new Schoolbell(options);
}

class Schoolbell {
  #url;
  #token;
  #socket;
  #handlers = new Map();
  #failures = 0;
  #timer;
  #watch;
  #heard = 0;
  // When the page asked whether the server is there; 0 while there is no question.
  #asked = 0;
  #connectionId;
  #watching = false;
  #echo;
  #reads;
  #onReturn = () => this.#hurry();
  // A page that was left may lie in the browser's cache, where nobody sees what comes.
  #onLeave = () => this.#leave();
  #onShow = () => this.#comeBack();
  #left = false;
  #onVisibility = () => {
    if (this.#isHidden()) this.#acknowledge();
    else this.looking = this.#endpoint = undefined;
    this.#tellVisibility();
    this.#hurry();
  };
  // This device's push subscription, while the page itself shows what arrives in the background.
  #endpoint;
  // Up to where the page has acknowledged, and when it does so next.
  #acknowledged;
  #acknowledging;

  constructor({ url = "", token, since, echo = false, reads = true }) {
    this.#url = new URL(url || "/", globalThis.location?.origin).href.replace(/\/$/, "");
    this.#token = token;
    // Whether what this page does itself comes back as an event too, for other parts of it.
    this.#echo = echo;
    // Whether a user in front of this page sees what arrives.
    this.#reads = reads;
    /** "connecting", "open", or "closed": for good. */
    this.state = "connecting";
    /** The highest seq seen: keep it over a reload and give it as `since`. */
    this.seq = since;
    /** Who is connected, once that is known. */
    this.userId = undefined;
    /** What is unread, as of the event `upTo`. */
    this.unread = undefined;
    this.upTo = undefined;
    /** While this page is in the background: whether its person looks at another one, here or on another device. */
    this.looking = undefined;
    globalThis.addEventListener?.("online", this.#onReturn);
    globalThis.addEventListener?.("pagehide", this.#onLeave);
    globalThis.addEventListener?.("pageshow", this.#onShow);
    globalThis.document?.addEventListener("visibilitychange", this.#onVisibility);
    this.#open();
  }

  /** Calls `handler` with the data of each event of this name ("*": of every event, after its name). Returns what ends it. */
  on(name, handler) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
    this.#handlers.get(name).add(handler);
    return () => this.#handlers.get(name).delete(handler);
  }

  /** Ends the connection for good. */
  close() {
    this.#end({ code: 1000, reason: "closed by the page" });
  }

  /** Tells a user that you are writing, or no longer are. Lost while there is no connection. */
  typing(to, typing = true) {
    if (this.state === "open") this.#send("typing", { to, typing });
  }

  /** For administrators: from now on there is an `overview` event every few seconds. */
  watch() {
    this.#watching = true;
    if (this.state === "open") this.#send("watch");
  }

  messages = {
    send: (receiverId, content, clientId = crypto.randomUUID()) => this.#call("POST", "/api/messages", { receiverId, content, clientId }),
    conversations: (page) => this.#call("GET", `/api/messages/conversations${query(page)}`),
    with: (partnerId, page) => this.#call("GET", `/api/messages/conversation/${encodeURIComponent(partnerId)}${query(page)}`),
    markRead: (partnerId, upTo) => this.#call("PUT", `/api/messages/read/${encodeURIComponent(partnerId)}`, upTo ? { upTo } : undefined),
    search: (q) => this.#call("GET", `/api/messages/search${query({ q })}`),
    mute: (partnerId) => this.#call("PUT", `/api/messages/mute/${encodeURIComponent(partnerId)}`),
    unmute: (partnerId) => this.#call("DELETE", `/api/messages/mute/${encodeURIComponent(partnerId)}`),
    remove: (id) => this.#call("DELETE", `/api/messages/${encodeURIComponent(id)}`),
    report: (id, reason, note) => this.#call("POST", `/api/messages/${encodeURIComponent(id)}/report`, { reason, note }),
  };

  notifications = {
    list: (page) => this.#call("GET", `/api/notifications${query(page)}`),
    markRead: (id) => this.#call("PUT", `/api/notifications/${encodeURIComponent(id)}/read`),
    markAllRead: () => this.#call("PUT", "/api/notifications/mark-all-read"),
    remove: (id) => this.#call("DELETE", `/api/notifications/${encodeURIComponent(id)}`),
  };

  /** How a page in the background is to show what arrives. */
  display() {
    return this.#call("GET", "/api/notifications/display");
  }

  /**
   * Until it is in front again, this page shows what arrives, on the device with this push subscription; the server leaves the device
   * out. `undefined`: it does not.
   */
  shows(endpoint) {
    this.#endpoint = endpoint;
    this.#tellVisibility();
  }

  /** While it is in the background, this page has shown everything up to this seq. */
  shown(seq) {
    this.#send("ack", { seq: this.seq, shown: seq });
  }

  /** Who is there: `[{ userId, online, lastSeenAt }]`. */
  presence(userIds) {
    return this.#call("GET", `/api/presence${query({ userIds: userIds.join(",") })}`);
  }

  /** People whom you may write to, by a part of their name. */
  people(search) {
    return this.#call("GET", `/api/users${query({ search })}`);
  }

  /** A user whom you may write to. */
  person(id) {
    return this.#call("GET", `/api/users/${encodeURIComponent(id)}`);
  }

  /** Shows you nothing more of what a user writes; they are not told. */
  block(id) {
    return this.#call("PUT", `/api/users/${encodeURIComponent(id)}/block`);
  }

  unblock(id) {
    return this.#call("DELETE", `/api/users/${encodeURIComponent(id)}/block`);
  }

  /** The users whom you have blocked. */
  blocked() {
    return this.#call("GET", "/api/users/blocked");
  }

  /** Yourself. */
  me() {
    return this.#call("GET", "/api/auth/me");
  }

  /** What the functions of push.js take. */
  async server() {
    return { url: this.#url, token: await this.#currentToken() };
  }

  get #byCookie() {
    return this.#token === undefined;
  }

  async #currentToken() {
    return typeof this.#token === "function" ? this.#token() : this.#token;
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let token;
    try {
      token = await this.#currentToken();
      // A browser does not tell why a socket was refused: a page with a cookie asks whether that is still good.
      if (this.#byCookie && this.#failures > 0) await this.#call("GET", "/api/auth/me");
    } catch (error) {
      if (this.#byCookie && [401, 409].includes(error.status)) return this.#end({ code: LOGGED_OUT, reason: error.message });
      return this.#retry();
    }
    if (this.state === "closed" || this.#left) return;
    const hidden = this.#isHidden() || undefined;
    const parameters = this.#byCookie ? query({ since: this.seq, hidden }) : "";
    const socket = new WebSocket(`${this.#url.replace(/^http/, "ws")}/ws${parameters}`);
    this.#socket = socket;
    const ours = () => socket === this.#socket;
    if (!this.#byCookie) socket.onopen = () => ours() && this.#send("auth", { token, since: this.seq, acks: true, hidden });
    socket.onmessage = ({ data }) => ours() && this.#receive(JSON.parse(data));
    socket.onclose = (event) => ours() && this.#closed(event);
    // Connecting is a question too.
    this.#heard = this.#asked = Date.now();
    this.#watch = setInterval(() => this.#watchOver(socket), 1_000);
  }

  #send(event, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ event, data }));
  }

  #receive({ event, data }) {
    this.#heard = Date.now();
    this.#asked = 0;
    if (event === "connected") {
      // Another tab has logged another user in: what is theirs is not for this page.
      if (this.#byCookie && this.userId !== undefined && this.userId !== data.userId)
        return this.#end({ code: LOGGED_OUT, reason: "another person" });
      this.#failures = 0;
      this.#connectionId = data.connectionId;
      Object.assign(this, { userId: data.userId, unread: data.unread, upTo: data.upTo });
      if (this.#byCookie) this.#send("auth", { acks: true, userId: this.userId });
      if (this.#watching) this.#send("watch");
      this.#setState("open");
      // It may have changed on the way.
      this.#tellVisibility();
    }
    if (event === "unread") this.unread = data;
    if (event === "looking") this.looking = data.looking;
    // Events come in order. After a `resync` the old cursor is void, also where it was the higher one.
    if (event === "resync") this.seq = data.seq;
    else if (Number.isInteger(data.seq) && !(data.seq < this.seq)) this.seq = data.seq;
    if (event === "ack_request") return this.#acknowledge();
    if (event !== "pong") this.#tell(event, data);
    if (Number.isInteger(data.seq) && !this.#acknowledging) this.#acknowledge();
  }

  #isHidden() {
    return !this.#reads || globalThis.document?.visibilityState === "hidden";
  }

  // Nobody has seen what a page in the background has: the server then pushes to other devices.
  #tellVisibility() {
    if (this.state !== "open") return;
    const hidden = this.#isHidden();
    this.#send("visibility", hidden ? { hidden, endpoint: this.#endpoint } : { hidden });
  }

  // Tells that the page has got everything up to `seq`: at once, and again after a while if more has come.
  #acknowledge() {
    if (this.seq === undefined) return;
    this.#acknowledged = this.seq;
    this.#send("ack", { seq: this.seq });
    clearTimeout(this.#acknowledging);
    this.#acknowledging = setTimeout(() => {
      this.#acknowledging = undefined;
      if (this.#acknowledged !== this.seq) this.#acknowledge();
    }, ACK_EVERY);
  }

  #leave() {
    const socket = this.#socket;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#timer = this.#socket = this.#connectionId = undefined;
    this.#left = true;
    socket?.close(1000);
  }

  #comeBack() {
    if (!this.#left || this.state === "closed") return;
    this.#left = false;
    this.#setState("connecting");
    this.#open();
  }

  #tell(name, data) {
    for (const [key, ...event] of [
      [name, data],
      ["*", name, data],
    ]) {
      for (const handler of [...(this.#handlers.get(key) ?? [])]) {
        try {
          handler(...event);
        } catch (error) {
          // One page's mistake is not the connection's.
          console.error(error);
        }
      }
    }
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state", state);
  }

  #closed({ code, reason }) {
    clearInterval(this.#watch);
    this.#socket = undefined;
    this.#connectionId = undefined;
    const stale = code === TOKEN_EXPIRED && typeof this.#token === "string";
    if (code >= FINAL || stale) return this.#end({ code, reason });
    this.#setState("connecting");
    // A token that has just expired is replaced at once; a client that sends too much waits.
    if (code === TOKEN_EXPIRED && this.#failures === 0) return this.#retry(0);
    this.#retry(code === TOO_MANY_FRAMES ? LONGEST_DELAY : undefined);
  }

  // Everybody's connection ends when the server does: the delays are spread, so that not all come back at once.
  #retry(delay = Math.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures)) {
    this.#failures += 1;
    if (this.state !== "closed") this.#timer = setTimeout(() => this.#open(), delay);
  }

  // The network or the user is back: no need to wait on.
  #hurry() {
    if (this.#left || globalThis.document?.visibilityState === "hidden") return;
    if (this.#timer) this.#open();
    else this.#ask();
  }

  #ask() {
    this.#asked ||= Date.now();
    this.#send("ping");
  }

  #watchOver(socket) {
    const now = Date.now();
    if (this.#asked && now - this.#asked > PATIENCE) {
      // Its closing could take minutes: there is nobody to answer.
      this.#socket = undefined;
      socket.close();
      this.#closed({ code: 1006, reason: "silent" });
    } else if (!this.#asked && now - this.#heard > SILENCE) {
      // A hidden page's timers may come a minute late: it must have asked before it gives up.
      this.#ask();
    }
  }

  #end(why) {
    if (this.state === "closed") return;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    clearTimeout(this.#acknowledging);
    globalThis.removeEventListener?.("online", this.#onReturn);
    globalThis.removeEventListener?.("pagehide", this.#onLeave);
    globalThis.removeEventListener?.("pageshow", this.#onShow);
    globalThis.document?.removeEventListener("visibilitychange", this.#onVisibility);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#setState("closed");
    socket?.close(1000);
    this.#tell("closed", why);
  }

  async #call(method, path, body) {
    const headers = {};
    if (!this.#byCookie) headers.authorization = `Bearer ${await this.#currentToken()}`;
    else if (this.userId) headers["x-schoolbell-user"] = this.userId;
    if (body) headers["content-type"] = "application/json";
    // What this page does itself it need not be told.
    if (this.#connectionId && !this.#echo) headers["x-connection-id"] = this.#connectionId;
    const response = await fetch(this.#url + path, { method, headers, body: body && JSON.stringify(body) });
    try {
      return await dataOf(response);
    } catch (error) {
      if (error.code === "other_person") this.#end({ code: LOGGED_OUT, reason: error.message });
      throw error;
    }
  }
}

function query(parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
