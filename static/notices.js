// What arrives while nobody looks at a page: its service worker (sw.js) shows it, as a push would have. What is read, here or
// elsewhere, is taken away again.

// Milliseconds.
const HELLO = 1_000;
/** How often a page in the background asks whether quiet hours have begun or ended. */
const AGAIN = 5 * 60_000;

/** Shows what arrives on this connection while the page is in the background. Returns what ends it. */
export function showHidden(bell) {
  if (!globalThis.isSecureContext || !navigator.serviceWorker) return () => {};
  // How the server says that it is to be shown; undefined: not by this page.
  let display;
  let preparing = Promise.resolve();
  let timer;
  const isHidden = () => document.visibilityState === "hidden";

  function prepare() {
    clearTimeout(timer);
    if (isHidden()) timer = setTimeout(prepare, AGAIN);
    preparing = ready().catch(() => (display = undefined));
  }

  async function ready() {
    if (!isHidden() || bell.state !== "open") return;
    const registration = await showing();
    display = registration && (await bell.display());
    const subscription = display?.shows && (await registration.pushManager?.getSubscription());
    // The server pushes to other devices, and not to this one.
    bell.shows(subscription?.endpoint);
  }

  async function show(push) {
    await preparing;
    if (!isHidden() || bell.looking || !display?.shows || display.mutedTypes.includes(push.type)) return;
    const { instead } = display;
    const hidden = instead && { title: push.type === "message" ? instead.message : instead.notification, message: instead.text };
    (await showing())?.active.postMessage({ schoolbell: "show", push: { ...push, ...hidden } });
  }

  const message = ({ id, seq, senderId, content, sender, read }) => {
    if (senderId === bell.userId || read || !isHidden()) return;
    const link = () => display?.messageLink.replace("{userId}", encodeURIComponent(senderId));
    preparing.then(() => show({ title: sender.name, message: content, link: link(), type: "message", id, seq, tag: `message:${senderId}` }));
  };
  const notification = ({ id, seq, type, title, message: text, link, read }) => {
    if (!read && isHidden()) show({ title, message: text, link: link ?? "./", type, id, seq, tag: id });
  };
  const ends = [
    bell.on("connected", () => (prepare(), tidy(bell).catch(() => {}))),
    bell.on("new_message", message),
    bell.on("notification", notification),
    bell.on("message_read", ({ readerId, partnerId, upTo }) => {
      // Ids rise with time.
      if (readerId === bell.userId) close(({ tag, data }) => tag === `message:${partnerId}` && data.ids.at(-1) <= upTo);
    }),
    bell.on("notifications_read", ({ ids, all }) => close(({ data }) => isNotification(data) && (all || ids.includes(data.ids[0])))),
  ];
  const changed = () => {
    prepare();
    if (!isHidden()) close(({ data }) => data?.type === "summary");
  };
  document.addEventListener("visibilitychange", changed);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", changed);
    for (const end of ends) end();
  };
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

/** The registration of a worker that shows what a page hands to it. */
async function showing() {
  if (Notification.permission !== "granted") return undefined;
  const registration = await navigator.serviceWorker.getRegistration();
  const worker = registration?.active;
  if (!worker) return undefined;
  const answer = new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    setTimeout(resolve, HELLO, false);
    worker.postMessage({ schoolbell: "hello" }, [port2]);
  });
  return (await answer) ? registration : undefined;
}

/** Whether something shown is a notification, and no chat message. */
const isNotification = (data) => data?.ids?.length > 0 && !["message", "summary", "test"].includes(data.type);

async function shown() {
  return (await (await navigator.serviceWorker.getRegistration())?.getNotifications()) ?? [];
}

async function close(which) {
  for (const notification of await shown()) if (which(notification)) notification.close();
}

/** Takes away what was read while no page was open here. */
async function tidy(bell) {
  const all = await shown();
  const unread = new Set();
  const pages = [];
  if (all.some(({ data }) => data?.type === "message")) {
    const page = await bell.messages.conversations({ limit: 100 });
    pages.push(page);
    for (const { partner, unreadCount } of page) if (unreadCount > 0) unread.add(`message:${partner.id}`);
  }
  if (all.some(({ data }) => isNotification(data))) {
    const page = await bell.notifications.list({ limit: 100, unread: true });
    pages.push(page);
    for (const { id } of page) unread.add(id);
  }
  // What the pages do not reach may be unread still.
  if (pages.some(({ paging }) => paging?.hasMore)) return;
  await close(({ tag, data }) => (data?.type === "message" || isNotification(data)) && !unread.has(tag));
}
