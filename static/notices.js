// What arrives while nobody looks at a page: its service worker (sw.js) shows it, as a push would have. What is read, here or
// elsewhere, is taken away again.

// Milliseconds.
/** How long the worker has to say that it has shown something. */
const PATIENCE = 5_000;
/** How often a page in the background asks whether quiet hours have begun or ended. */
const AGAIN = 5 * 60_000;
/** So many things wait to be shown at most. */
const REMEMBERED = 200;

/**
 * Shows what arrives on this connection while the page is in the background, on devices where its person has turned notifications on.
 * The connection needs `echo`, so that what is read on this page is told to it. Returns what ends it.
 */
export function showHidden(bell) {
  if (!globalThis.isSecureContext || !navigator.serviceWorker) return () => {};
  const hidden = new HiddenPage(bell);
  const ends = [
    bell.on("connected", () => {
      hidden.prepare();
      tidy(bell).catch(ignore);
    }),
    bell.on("new_message", (message) => hidden.arrived(message.seq, pushOf(message, bell.userId))),
    bell.on("notification", (note) => hidden.arrived(note.seq, note.read ? undefined : { ...note, link: note.link ?? "./", tag: note.id })),
    bell.on("looking", ({ looking, seen }) => looking || hidden.seen(seen)),
    bell.on("message_read", ({ readerId, partnerId, upTo }) => {
      // Ids rise with time.
      if (readerId === bell.userId) hidden.read(({ tag, ids }) => tag === `message:${partnerId}` && ids.at(-1) <= upTo);
    }),
    bell.on("notifications_read", ({ ids: read, all }) =>
      hidden.read(({ type, ids }) => isNotification(type) && (all || read.includes(ids[0]))),
    ),
  ];
  const changed = () => hidden.prepare();
  document.addEventListener("visibilitychange", changed);
  return () => {
    hidden.end();
    document.removeEventListener("visibilitychange", changed);
    for (const end of ends) end();
  };
}

/** A chat message as it would be pushed; undefined where there is nothing to show. */
function pushOf({ id, seq, senderId, content, sender, read }, userId) {
  if (senderId === userId || read) return undefined;
  return { title: sender.name, message: content, type: "message", id, seq, senderId, tag: `message:${senderId}` };
}

class HiddenPage {
  #bell;
  #timer;
  // How the server says that things are to be shown, and the registration whose worker shows them; undefined: not by this page.
  #display;
  #registration;
  // Whether this page shows what arrives, or is about to know whether it does.
  #active = false;
  // What has arrived in the background and is not shown yet, and up to where everything is.
  #waiting = [];
  #shown;
  #working = Promise.resolve();

  constructor(bell) {
    this.#bell = bell;
  }

  get #isHidden() {
    return document.visibilityState === "hidden";
  }

  /** To be called when the page is hidden or in front again, and when the connection is new. */
  prepare() {
    clearTimeout(this.#timer);
    this.#active = this.#isHidden;
    if (this.#isHidden) this.#timer = setTimeout(() => this.prepare(), AGAIN);
    else {
      // Its person sees what is here.
      this.#waiting = [];
      close(({ type }) => type === "summary");
    }
    this.#then(() => this.#ask());
  }

  end() {
    clearTimeout(this.#timer);
    this.#active = false;
    this.#waiting = [];
    this.#display = undefined;
  }

  /** Its person looked at another page up to this seq, and no longer does. */
  seen(seq) {
    this.#waiting = this.#waiting.filter((one) => one.seq > seq);
    this.#shown = Math.max(this.#shown ?? 0, seq);
    this.show();
  }

  /** Something durable has arrived; `push` is undefined where it is not to be shown. */
  arrived(seq, push) {
    if (!this.#isHidden || !this.#active) return;
    this.#waiting.push({ seq, push });
    // While its person looks elsewhere, what they have not seen there is among the latest.
    if (this.#waiting.length > REMEMBERED) this.#waiting.shift();
    this.show();
  }

  /** What is read need not be shown, and no longer is. */
  read(which) {
    for (const one of this.#waiting) if (one.push && which({ ...one.push, ids: [one.push.id] })) one.push = undefined;
    close(which);
    this.show();
  }

  /** Shows what waits, unless its person looks at another page. */
  show() {
    this.#then(() => this.#show());
  }

  // One after the other.
  #then(work) {
    this.#working = this.#working.then(work).catch(() => this.#giveUp());
  }

  /** The server pushes to this device, as to the others. */
  #giveUp() {
    this.#active = false;
    this.#waiting = [];
    this.#display = undefined;
    this.#bell.shows(undefined);
  }

  async #ask() {
    if (!this.#isHidden || this.#bell.state !== "open") return;
    const registration = await navigator.serviceWorker.getRegistration();
    const subscription = await subscriptionOf(registration, this.#bell.userId);
    const display = subscription && (await post(registration, { schoolbell: "hello" })) ? await this.#bell.display() : undefined;
    if (!display?.shows) return this.#giveUp();
    this.#display = display;
    this.#registration = registration;
    // The server pushes to other devices, and not to this one.
    this.#bell.shows(subscription.endpoint);
    if (this.#shown) this.#bell.shown(this.#shown);
    await this.#show();
  }

  async #show() {
    const may = () => this.#waiting.length && this.#display && this.#isHidden && !this.#bell.looking;
    // It may have been turned off in another tab.
    if (may() && !(await subscriptionOf(this.#registration, this.#bell.userId))) return this.#giveUp();
    const before = this.#shown;
    try {
      while (may()) await this.#showNext();
    } finally {
      if (this.#shown !== before) this.#bell.shown(this.#shown);
    }
  }

  async #showNext() {
    const one = this.#waiting[0];
    const { seq, push } = one;
    const { mutedTypes, mutedPartners } = this.#display;
    if (push && !mutedTypes.includes(push.type) && !mutedPartners.includes(push.senderId)) {
      await post(this.#registration, { schoolbell: "show", push: this.#worded(push) }, true);
      // Read meanwhile.
      if (!one.push) await close(({ ids }) => ids.at(-1) === push.id);
    }
    // The page may have been in front meanwhile, where its person saw what was waiting.
    if (this.#waiting[0] !== one) return;
    this.#waiting.shift();
    this.#shown = seq;
  }

  /** With its link, and without its content where that is not to be shown. */
  #worded({ senderId, ...push }) {
    const { instead, messageLink } = this.#display;
    const link = push.link ?? messageLink.replace("{userId}", encodeURIComponent(senderId));
    const words = instead && { title: senderId ? instead.message : instead.notification, message: instead.text };
    return { ...push, link, ...words };
  }
}

/** Calls `tell` with `{ messages, notifications }`, what is unread, whenever that changes. Returns what ends it. */
export function countUnread(bell, tell) {
  let unread = bell.unread;
  const set = (now) => tell((unread = now));
  const more = (of) => unread && set({ ...unread, [of]: unread[of] + 1 });
  if (unread) tell(unread);
  const ends = [
    bell.on("connected", (connected) => set(connected.unread)),
    bell.on("unread", set),
    // What was missed is counted in `connected` already.
    bell.on("new_message", ({ seq, senderId }) => senderId !== bell.userId && seq > bell.upTo && more("messages")),
    bell.on("notification", ({ seq }) => seq > bell.upTo && more("notifications")),
  ];
  return () => ends.forEach((end) => end());
}

/** This device's push subscription, if it is this person's: nobody is shown anything who did not ask for it here. */
async function subscriptionOf(registration, userId) {
  const subscription = await registration?.pushManager?.getSubscription();
  if (!subscription || Notification.permission !== "granted") return undefined;
  const owner = await (await (await caches.open("schoolbell-push")).match("/owner"))?.text();
  return owner === undefined || owner === userId ? subscription : undefined;
}

/** Says something to the worker, and returns whether it answers; with `must`, it is an error if it does not. */
async function post(registration, message, must = false) {
  const answer = new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(true);
    setTimeout(resolve, PATIENCE, false);
    registration.active?.postMessage(message, [port2]);
  });
  const answered = await answer;
  if (must && !answered) throw new Error("the service worker does not answer");
  return answered;
}

const isNotification = (type) => !["message", "summary", "test"].includes(type);
const ignore = () => {};

/** What our worker shows; an app's own notifications are its own. */
async function shown() {
  const all = (await (await navigator.serviceWorker.getRegistration())?.getNotifications?.()) ?? [];
  return all.filter(({ data }) => data?.schoolbell);
}

/** Takes away what `which` says of `{ tag, type, ids, seq }`. */
async function close(which) {
  try {
    for (const notification of await shown()) if (which({ ...notification.data, tag: notification.tag })) notification.close();
  } catch {
    // What cannot be taken away goes with the next start of the page, or by its person's hand.
  }
}

/** Takes away what was read while no page was open here. */
async function tidy(bell) {
  if (document.visibilityState !== "hidden") await close(({ type }) => type === "summary");
  const before = new Map((await shown()).map(({ tag, data }) => [tag, data]));
  const has = (wanted) => [...before.values()].some(({ type }) => wanted(type));
  const read = new Set();
  if (has((type) => type === "message")) {
    const page = await bell.messages.conversations({ limit: 100 });
    for (const { partner, unreadCount } of page) if (unreadCount === 0) read.add(`message:${partner.id}`);
  }
  if (has(isNotification)) {
    for (const note of await bell.notifications.list({ limit: 100 })) if (note.read) read.add(note.id);
  }
  // What has come meanwhile stays.
  await close(({ tag, seq }) => read.has(tag) && before.get(tag)?.seq === seq);
}
