// Pushes on this device. `server` is `{ url, token, worker }`: where schoolbell is ("" for the page's own origin), the token of
// whoever is logged in, and, unless it is sw.js at the root of the page's host, the service worker.
//
//   button.onclick = () => enablePush(server);   // on a click: browsers ask for permission only then
//   await refreshPush(server);                   // at each start of the page
//   await disablePush(server);                   // at logout, before the token is thrown away

/** "unsupported", "install" (an iPhone's home screen first), "denied", "off" or "on". */
export async function pushState() {
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

/** Asks for permission and subscribes. Must be called on a click. Returns the new state. */
export async function enablePush(server) {
  const before = await pushState();
  if (before === "unsupported" || before === "install") return before;
  if ((await Notification.requestPermission()) !== "granted") return pushState();
  await post(server, await subscribe(server));
  return "on";
}

/** Sends the subscription again: the server may have lost it, it may have changed, or somebody else may be logged in. */
export async function refreshPush(server) {
  if ((await pushState()) === "on") await post(server, await subscribe(server));
  return pushState();
}

/** Ends the pushes to this device. */
export async function disablePush(server) {
  const registration = await navigator.serviceWorker?.getRegistration();
  const subscription = await registration?.pushManager.getSubscription();
  if (!subscription) return;
  await caches.delete("schoolbell-push");
  const { endpoint } = subscription;
  await subscription.unsubscribe();
  // Without the server's help its next push finds nobody, and then it forgets the device too.
  await call(server, "DELETE", "/api/notifications/subscribe", { endpoint });
}

async function subscribe(server) {
  const { publicKey } = await call(server, "GET", "/api/notifications/vapid-public-key");
  const worker = server.worker ?? (server.url ? `/sw.js?api=${encodeURIComponent(server.url)}` : "/sw.js");
  await navigator.serviceWorker.register(worker);
  const { pushManager } = await navigator.serviceWorker.ready;
  const subscription = await pushManager.getSubscription();
  if (subscription && !sameKey(subscription.options.applicationServerKey, publicKey)) {
    // The server has other keys by now: nothing of theirs would reach this one.
    await subscription.unsubscribe();
  }
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
}

function sameKey(buffer, base64url) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === base64url;
}

async function post(server, subscription) {
  const cache = await caches.open("schoolbell-push");
  await cache.put("/subscription", new Response(JSON.stringify(subscription)));
  await call(server, "POST", "/api/notifications/subscribe", subscription.toJSON());
}

async function call(server, method, path, body) {
  const response = await fetch((server.url ?? "") + path, {
    method,
    // Without a token, the cookie of the server's own pages says who it is.
    headers: { ...(server.token && { authorization: `Bearer ${server.token}` }), "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!answer.success) throw new Error(answer.message);
  return answer.data;
}
