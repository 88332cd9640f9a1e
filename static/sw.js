// The service worker of schoolbell's own pages: shows what is pushed, and leads to it.
// `sw.js?api=https://bell.school.example` for a page of another origin.
const here = new URL(self.location.href);
const server = here.searchParams.get("api") ?? new URL(".", here).href;
const api = `${server.replace(/\/$/, "")}/api`;

// A new version does not wait for the last page to close: no page depends on the old one.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(show(event.data)));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(lead(event.notification.data?.link ?? "./"));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

// Every push shows something: browsers take the permission away from those who push in silence.
async function show(data) {
  let push = {};
  try {
    push = data?.json() ?? {};
  } catch {
    push = { message: data.text() };
  }
  await self.registration.showNotification(push.title || "schoolbell", {
    body: push.message ?? "",
    // The same thing pushed twice is one notification.
    tag: push.tag ?? push.id,
    icon: new URL("icons/icon-192.png", self.registration.scope).href,
    data: { link: push.link ?? "./" },
  });
}

// Brings the tab that shows the link to the front; else a tab of ours, which goes there; else opens one. A click allows
// one of these, so there is no second try.
async function lead(link) {
  const url = new URL(link, self.registration.scope);
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = tabs.find((tab) => tab.url === url.href);
  if (there) return there.focus();
  // Only a tab that this worker controls can be led.
  const [led] = await self.clients.matchAll({ type: "window" });
  if (!led || url.origin !== self.location.origin) return self.clients.openWindow(url.href);
  return (await led.focus()).navigate(url.href);
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
