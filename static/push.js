// Pushes on this device. `server` is `{ url, token, worker, person }`: where schoolbell is ("" for the page's own origin), the
// token of the logged-in user, the service worker, unless it is sw.js at the root of the page's host, and the id of who is logged
// in: with it, a device that another user has turned on is turned off for them.
//
//   button.onclick = () => enablePush(server);   // on a click: browsers ask for permission only then
//   await refreshPush(server);                   // at each start of the page
//   await disablePush(server);                   // at logout, before the token is thrown away

/** An answer of the server's that is no success: `code` is stable, `status` is HTTP's. */
export class SchoolbellError extends Error {
  constructor({ code, message, details, requestId }, status) {
    super(message);
    Object.assign(this, { name: "SchoolbellError", code, details, requestId, status });
  }
}

/** An answer's data, with `paging` where it is a list. Throws a SchoolbellError. */
export async function dataOf(response) {
  const answer = await response.json().catch(() => ({ message: `HTTP ${response.status}` }));
  if (!answer.success) throw new SchoolbellError(answer, response.status);
  if (answer.paging) Object.defineProperty(answer.data, "paging", { value: answer.paging });
  return answer.data;
}

/** "insecure" (it takes https), "unsupported", "install" (an iPhone's home screen first), "denied", "off" or "on". */
export async function pushState() {
  if (!isSecureContext) return "insecure";
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    // An iPad calls itself a Mac, which has no touch screen.
    const ipad = navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1;
    const apple = ipad || /iPhone|iPad/.test(navigator.userAgent);
    return apple && !navigator.standalone ? "install" : "unsupported";
  }
  if (Notification.permission === "denied") return "denied";
  const subscription = await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
  return subscription && Notification.permission === "granted" ? "on" : "off";
}

/** Asks for permission. Must be called on a click, and takes as long as a user thinks about it. Returns whether it is granted. */
export async function askPermission() {
  return Notification.permission === "granted" || (await Notification.requestPermission()) === "granted";
}

// Rises when pushes are ended: what was still about to subscribe then must not. A browser that does not reach its push service may be
// about to for ever.
let ended = 0;
// One after the other, in all tabs of the browser: they share the subscription. Milliseconds that an end waits for its turn.
const LOCK = "schoolbell-push";
const PATIENCE = 3_000;
const inTurn = (work) => (navigator.locks ? navigator.locks.request(LOCK, work) : work());

/** Asks for permission and subscribes. Must be called on a click. Returns the new state. */
export async function enablePush(server) {
  const began = ended;
  const before = await pushState();
  if (["insecure", "unsupported", "install"].includes(before)) return before;
  if (await askPermission()) await inTurn(async () => post(server, await subscribe(server), began));
  return pushState();
}

/** Sends the subscription again: the server may have lost it, it may have changed, or another user may be logged in. */
export function refreshPush(server) {
  const began = ended;
  return inTurn(() => refresh(server, began));
}

async function refresh(server, began) {
  if ((await pushState()) !== "on") return pushState();
  if (await isAnotherUsers(server)) await forget();
  else await post(server, await subscribe(server), began);
  return pushState();
}

/**
 * Nobody gets pushes on a computer where they did not ask for them, nor those of the user who used it before. A subscription that no page
 * has told the server of was made for a user who left before it was.
 */
async function isAnotherUsers({ person }) {
  if (!person) return false;
  const cache = await caches.open("schoolbell-push");
  const [owner, told] = [await cache.match("/owner"), await cache.match("/subscription")];
  const registration = await navigator.serviceWorker.getRegistration();
  const { endpoint } = await registration.pushManager.getSubscription();
  return owner ? (await owner.text()) !== person : (await told?.json())?.endpoint !== endpoint;
}

/** Ends the browser's subscription: its push service knows it no more, so that the server forgets it with the next push. */
async function forget() {
  const registration = await navigator.serviceWorker.getRegistration();
  await closeAll(registration);
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
  await caches.delete("schoolbell-push");
}

/** What is shown here is not for the next user. */
async function closeAll(registration) {
  for (const notification of (await registration?.getNotifications()) ?? []) notification.close();
}

/** Nobody is logged in any more: what is still about to subscribe must not. */
export function stopSubscribing() {
  ended += 1;
}

/** Ends the pushes to this device. */
export async function disablePush(server) {
  ended += 1;
  if (!navigator.locks) return end(server);
  const signal = AbortSignal.timeout(PATIENCE);
  return navigator.locks
    .request(LOCK, { signal }, () => end(server))
    .catch((error) => {
      if (error !== signal.reason) throw error;
      return end(server);
    });
}

async function end(server) {
  const registration = await navigator.serviceWorker?.getRegistration();
  await closeAll(registration).catch(() => {});
  if (globalThis.caches) await caches.delete("schoolbell-push");
  const subscription = await registration?.pushManager.getSubscription();
  const done = subscription ? await undo(server, subscription) : [];
  const failed = done.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

// Each without the other: where the server is not told, its next push finds nobody, and then it forgets the device too; where the
// browser does not reach its push service, the server must forget it.
function undo(server, subscription) {
  const { endpoint } = subscription;
  return Promise.allSettled([call(server, "DELETE", "/api/notifications/subscribe", { endpoint }), subscription.unsubscribe()]);
}

/** The id of this device in its person's list; undefined while the server does not know it. */
export async function deviceId() {
  // Without https there is neither a cache nor a push.
  if (!isSecureContext) return undefined;
  return (await (await (await caches.open("schoolbell-push")).match("/device"))?.json())?.id;
}

async function subscribe(server) {
  const { publicKey } = await call(server, "GET", "/api/notifications/vapid-public-key");
  const worker = server.worker ?? (server.url ? `/sw.js?api=${encodeURIComponent(server.url)}` : "/sw.js");
  await navigator.serviceWorker.register(worker);
  const { pushManager } = await navigator.serviceWorker.ready;
  const subscription = await pushManager.getSubscription();
  let old;
  if (subscription && !sameKey(subscription.options.applicationServerKey, publicKey)) {
    // The server has other keys by now: nothing of theirs would reach this one.
    old = subscription.toJSON();
    await subscription.unsubscribe();
  }
  return { old, fresh: await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey }) };
}

function sameKey(buffer, base64url) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === base64url;
}

async function post(server, { old, fresh }, began) {
  if (began !== ended) return void (await undo(server, fresh));
  const cache = await caches.open("schoolbell-push");
  await cache.put("/subscription", new Response(JSON.stringify(fresh)));
  try {
    // What waits for the old one goes to the new one. Another user may have had it.
    if (old?.keys) await call(server, "PUT", "/api/notifications/subscribe", { old, new: fresh.toJSON() }).catch(() => {});
    if (began !== ended) return void (await undo(server, fresh));
    const device = await call(server, "POST", "/api/notifications/subscribe", fresh.toJSON());
    if (began !== ended) return;
    await cache.put("/device", new Response(JSON.stringify(device)));
    if (server.person) await cache.put("/owner", new Response(server.person));
  } catch (error) {
    // The browser must not say that it is on when the server has no such device.
    if (error.status >= 400 && error.status < 500 && error.status !== 429) await fresh.unsubscribe();
    throw error;
  }
}

async function call(server, method, path, body) {
  const response = await fetch((server.url ?? "") + path, {
    method,
    // Without a token, the cookie of the server's own pages says who it is.
    headers: { ...(server.token && { authorization: `Bearer ${server.token}` }), "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return dataOf(response);
}
