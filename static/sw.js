// The service worker of schoolbell's own pages: shows what is pushed, and what a page in the background hands to it; leads to it
// on a click. `sw.js?api=https://bell.school.example` for a page of another origin.
const here = new URL(self.location.href);
const server = here.searchParams.get("api") ?? new URL(".", here).href;
const api = `${server.replace(/\/$/, "")}/api`;

// Milliseconds.
const MINUTE = 60_000;
/** How long a page has to say that it leads somewhere itself: a click allows a window for some seconds only. */
const PATIENCE = 500;
/** Messages that a notification remembers, so that it counts each once. */
const REMEMBERED = 200;

// A new version does not wait for the last page to close: no page depends on the old one.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(inTurn(() => show(read(event.data)))));
self.addEventListener("message", (event) => {
  const { schoolbell, push } = event.data ?? {};
  const done = () => event.ports[0]?.postMessage(true);
  // A page asks whether this worker shows what it hands over.
  if (schoolbell === "hello") done();
  if (schoolbell === "show") event.waitUntil(inTurn(() => show(push)).then(done));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(Promise.all([lead(event.notification.data?.link ?? "./"), badge()]));
});
self.addEventListener("notificationclose", (event) => event.waitUntil(badge()));
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

// Two that arrive together must count each other.
let last = Promise.resolve();
function inTurn(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

function read(data) {
  try {
    return data?.json() ?? {};
  } catch {
    return { message: data.text() };
  }
}

// Every push shows something: browsers take the permission away from those who push in silence. What has the same tag is one
// notification: the messages of a conversation, and the same thing pushed twice.
async function show(push) {
  const tag = push.tag ?? push.id;
  const [before] = tag ? await self.registration.getNotifications({ tag }) : [];
  // A summary is a number by itself.
  const known = before?.data?.schoolbell && push.type !== "summary" ? before.data : { ids: [], seq: 0, rangAt: 0 };
  const ids = known.ids.includes(push.id) ? known.ids : [...known.ids, push.id].slice(-REMEMBERED);
  // The newest text stays, whichever came last.
  const old = known.seq > (push.seq ?? Infinity);
  const { title, body, link } = old
    ? { title: known.title, body: before.body, link: known.link }
    : { title: push.title || "schoolbell", body: push.message ?? "", link: push.link ?? "./" };
  const now = Date.now();
  // The first within a minute rings; those after it change the text alone.
  const rings = !before || (ids !== known.ids && now - known.rangAt >= MINUTE);
  await self.registration.showNotification(ids.length > 1 ? `${title} (${ids.length})` : title, {
    body,
    tag,
    renotify: Boolean(before && rings),
    dir: "auto",
    timestamp: now,
    icon: icon("icon-192.png"),
    badge: icon("badge-96.png"),
    data: {
      schoolbell: true,
      link,
      title,
      ids,
      type: push.type,
      seq: Math.max(known.seq, push.seq ?? 0),
      rangAt: rings ? now : known.rangAt,
    },
  });
  await badge();
}

const icon = (name) => new URL(`icons/${name}`, self.registration.scope).href;

// How many things are shown, on the app's icon where there is one. A page that is open has its own number there: what is unread.
async function badge() {
  if (!self.navigator.setAppBadge || (await self.clients.matchAll({ type: "window" })).length) return;
  const shown = await self.registration.getNotifications();
  const count = shown.reduce((sum, { data }) => sum + (data?.ids?.length ?? 1), 0);
  // It is an ornament.
  await self.navigator.setAppBadge(count).catch(() => {});
}

// Brings a tab to the front that leads there itself, and loses nothing that is being written in it; else the tab that shows the
// link; else opens one. A click allows one of these, so there is no second try.
async function lead(link) {
  const url = new URL(link, self.registration.scope);
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const leader = await first(tabs, (tab) => ask(tab, url.href));
  leader?.postMessage({ schoolbell: "open", link: url.href });
  const tab = leader ?? tabs.find((tab) => tab.url === url.href);
  return tab ? tab.focus() : self.clients.openWindow(url.href);
}

/** The first of them to say yes; undefined, if none does. */
function first(tabs, question) {
  return new Promise((resolve) => {
    const answers = tabs.map(async (tab) => (await question(tab)) && resolve(tab));
    Promise.all(answers).then(() => resolve(undefined));
  });
}

/** Whether a tab leads there itself. */
function ask(tab, link) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    setTimeout(resolve, PATIENCE, false);
    tab.postMessage({ schoolbell: "opens", link }, [port2]);
  });
}

// The browser has ended a subscription by itself. Nobody may be logged in now: that we know the secret of the old one
// shows the server whose device this is.
async function renew(event) {
  const cache = await caches.open("schoolbell-push");
  const stored = await (await cache.match("/subscription"))?.json();
  const old = event.oldSubscription?.toJSON() ?? stored;
  const fresh = event.newSubscription ?? (await subscribe(event.oldSubscription));
  if (!old?.keys) return;
  const response = await fetch(`${api}/notifications/subscribe`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ old, new: fresh.toJSON() }),
  });
  // Until the server has it, the old one is what we are known by.
  if (response.ok) await cache.put("/subscription", new Response(JSON.stringify(fresh)));
}

async function subscribe(old) {
  let key = old?.options.applicationServerKey;
  if (!key) {
    const answer = await fetch(`${api}/notifications/vapid-public-key`);
    key = (await answer.json()).data.publicKey;
  }
  return self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}
