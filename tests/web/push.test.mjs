// Pushes from the server to a notification on the desktop, and back by a click.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import webpush from "web-push";
import { pushTo, startBrowser } from "./browser.mjs";
import { startPushService } from "./push-service.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

let server, service, browser, ann, bob;

before(async () => {
  [server, service, browser] = await Promise.all([startServer(), startPushService(), startBrowser()]);
  ann = await server.person("ann");
  bob = await server.person("bob");
});

after(async () => {
  await browser?.stop();
  await server?.stop();
  service?.stop();
});

// Each test has one page of its own; closing the last one would close the browser.
let page;
beforeEach(async () => {
  const old = browser.context.pages();
  page = await browser.context.newPage();
  await Promise.all(old.map((tab) => tab.close()));
});

/** A page of ours whose service worker runs, and what hands it pushes. */
async function openPage(path = "/example/") {
  await page.goto(server.url + path);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register("/sw.js");
    await navigator.serviceWorker.ready;
  });
  return pushTo(page);
}

test("a message becomes a notification, and a click leads a tab to it", async () => {
  const deliver = await openPage();
  const phone = service.device("phone");
  await server.call("POST", "/api/notifications/subscribe", bob.token, phone);
  const body = { receiverId: bob.id, content: "See you at <b>eight</b> 🎒" };
  const message = await server.call("POST", "/api/messages", ann.token, body);
  const push = await service.next();
  assert.equal(push.json.title, "ann");
  assert.equal(push.json.id, message.id);
  assert.equal(push.json.web_push, 8030);
  assert.equal(push.json.notification.navigate, push.json.link);

  const shown = browser.notifications.next();
  await deliver(push.text);
  const notification = await shown;
  assert.equal(notification.summary, "ann");
  // The desktop shows the site before the text; text is text, whatever it looks like.
  assert.match(notification.body, /eight/);
  const own = await page.evaluate(async () => {
    const all = await (await navigator.serviceWorker.ready).getNotifications();
    return all.map(({ title, body, tag }) => ({ title, body, tag }));
  });
  assert.deepEqual(own, [{ title: "ann", body: "See you at <b>eight</b> 🎒", tag: message.id }]);

  browser.notifications.click(notification);
  await page.waitForURL(server.url + push.json.link);
  assert.equal(new URL(page.url()).search, `?chat=${ann.id}`);
  const left = await page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).length);
  assert.equal(left, 0);
});

test("the same thing pushed twice is one notification", async () => {
  const deliver = await openPage();
  const text = JSON.stringify({ title: "T", message: "M", link: "/", id: "x", tag: "x" });
  await deliver(text);
  await deliver(text);
  await deliver(JSON.stringify({ title: "U", message: "M", link: "/", id: "y", tag: "y" }));
  const tags = () =>
    page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map((n) => n.tag));
  await until("the last notification", async () => (await tags()).includes("y"));
  assert.deepEqual((await tags()).sort(), ["x", "y"]);
  await page.evaluate(async () =>
    (await (await navigator.serviceWorker.ready).getNotifications()).forEach((n) => n.close()),
  );
});

test("a click focuses the tab that shows the link, and opens one where there is none", async () => {
  const deliver = await openPage("/example/");
  const { context, notifications } = browser;
  const push = async (link) => {
    const shown = notifications.next();
    await deliver(JSON.stringify({ title: "T", message: "M", link, tag: link }));
    notifications.click(await shown);
  };
  const other = await context.newPage();
  await other.goto(`${server.url}/admin/`);
  await push("/example/");
  await until("the focus", () => page.evaluate(() => document.hasFocus()));
  assert.equal(context.pages().length, 2);
  assert.equal(other.url(), `${server.url}/admin/`);

  // Elsewhere: a tab of its own, ours stay where they are.
  const elsewhere = `${server.url.replace("127.0.0.1", "localhost")}/health`;
  const [opened] = await Promise.all([context.waitForEvent("page"), push(elsewhere)]);
  await until("the new tab's address", () => opened.url() === elsewhere);
  assert.equal(page.url(), `${server.url}/example/`);
});

test("whatever is pushed, something is shown", async () => {
  const deliver = await openPage();
  for (const [data, title, body] of [
    ["not JSON", "schoolbell", "not JSON"],
    ["{}", "schoolbell", ""],
    ["", "schoolbell", ""],
  ]) {
    const shown = browser.notifications.next();
    await deliver(data);
    const notification = await shown;
    assert.equal(notification.summary, title);
    assert.ok(notification.body.endsWith(body), notification.body);
  }
});

/** Chromium's own push service cannot be reached here: in its place a browser's subscription at ours. */
async function ownSubscription(subscription) {
  await page.addInitScript((json) => {
    const at = () => JSON.parse(sessionStorage.getItem("subscription"));
    const key = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)).buffer;
    const own = (stored) => ({
      ...stored.json,
      options: { applicationServerKey: key(stored.key) },
      toJSON: () => stored.json,
      unsubscribe: async () => sessionStorage.removeItem("subscription"),
    });
    PushManager.prototype.getSubscription = async () => (at() ? own(at()) : null);
    PushManager.prototype.subscribe = async (options) => {
      if (!options.userVisibleOnly) throw new TypeError("userVisibleOnly");
      sessionStorage.setItem("subscription", JSON.stringify({ json, key: options.applicationServerKey }));
      return own(at());
    };
  }, subscription);
}

test("somebody turns notifications on, tests them, comes back, and logs out", async () => {
  const carol = await server.person("carol");
  const devices = () => server.call("GET", "/api/notifications/subscriptions", carol.token);
  const laptop = service.device("laptop");
  await ownSubscription(laptop);
  // The address of before leads to the settings.
  await page.goto(`${server.url}/device/`);
  const said = (text) => page.getByText(text).waitFor();
  const button = (name) => page.getByRole("button", { name, exact: true });

  await page.getByLabel("Username").fill("carol");
  await page.getByLabel("Password").fill("wrong");
  await button("Log in").click();
  await said("The username or the password is wrong.");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await said("Notifications are off on this device.");
  assert.equal((await devices()).length, 0);

  await button("Turn on").click();
  await said("Notifications are on:");
  const [device] = await devices();
  assert.match(device.browser, /^Chrome on /);
  await button("Send a test").click();
  await said("A test is on its way.");
  assert.equal((await service.next()).json.type, "test");

  // The server has lost the device: the next start of the page sends it again.
  await server.call("DELETE", "/api/notifications/subscribe", carol.token, { endpoint: laptop.endpoint });
  await page.reload();
  await said("Notifications are on:");
  await until("the device is known again", async () => (await devices()).length === 1);

  await button("Log out").click();
  await page.getByLabel("Username").waitFor();
  assert.equal((await devices()).length, 0);
  assert.equal(await page.evaluate(() => sessionStorage.getItem("subscription")), null);
});

test("a device that its person removes is off, and stays so", async () => {
  await page.context().clearCookies();
  const erna = await server.person("erna");
  const devices = () => server.call("GET", "/api/notifications/subscriptions", erna.token);
  await ownSubscription(service.device("ernas"));
  await page.goto(`${server.url}/#settings`);
  await page.getByLabel("Username").fill("erna");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Turn on", exact: true }).click();
  await page.getByText("Notifications are on:").waitFor();
  await page.getByRole("button", { name: /^Remove: / }).click();
  await page.getByText("Notifications are off on this device.").waitFor();
  await page.reload();
  await page.getByText("Notifications are off on this device.").waitFor();
  assert.equal((await devices()).length, 0);

  // Removed from elsewhere: the browser has its subscription still, and the next start of the page undoes it.
  await page.evaluate(() => sessionStorage.clear());
  await ownSubscription(service.device("ernas-second"));
  await page.reload();
  await page.getByRole("button", { name: "Turn on", exact: true }).click();
  await page.getByText("Notifications are on:").waitFor();
  const [{ id }] = await devices();
  await server.call("DELETE", `/api/notifications/subscriptions/${id}`, erna.token);
  await page.reload();
  await page.getByText("Notifications are off on this device.").waitFor();
  await until("it is undone", () => page.evaluate(() => sessionStorage.getItem("subscription") === null));
  assert.equal((await devices()).length, 0);
});

/** How many sockets are open. */
const sockets = async () => Number(/schoolbell_connections\{transport="ws"\} (\d+)/.exec(await server.metrics())?.[1] ?? 0);

/** Somebody on the people's page, with a phone elsewhere. */
async function onThePage(name) {
  const person = await server.person(name);
  await server.call("POST", "/api/notifications/subscribe", person.token, service.device(name));
  await until("those of the tests before are gone", async () => (await sockets()) === 0);
  await page.goto(server.url);
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await until("the page's socket", async () => (await sockets()) === 1);
  return person;
}

test("whoever leaves the page in the same tab is gone at once, and comes back with it", async () => {
  await page.context().clearCookies();
  const person = await onThePage("frida");
  // Another site: Chromium keeps ours in its back/forward cache, and answers pings for it.
  await page.goto(`${server.url.replace("127.0.0.1", "localhost")}/health`);
  await until("the socket is gone", async () => (await sockets()) === 0, 3);
  await server.call("POST", "/api/messages", ann.token, { receiverId: person.id, content: "while you were away" });
  assert.equal((await service.next()).json.message, "while you were away");
  await page.goBack();
  await page.getByText("while you were away").first().waitFor();
  assert.equal(await sockets(), 1);
});

test("a page that stands still is not there, and what it was sent is pushed", async () => {
  await page.context().clearCookies();
  const person = await onThePage("gerd");
  // Playwright keeps every page visible, and no browser freezes one of those: its JavaScript is stopped, and the browser goes on answering
  // pings for it.
  const session = await page.context().newCDPSession(page);
  await session.send("Debugger.enable");
  const paused = new Promise((resolve) => session.once("Debugger.paused", resolve));
  await session.send("Debugger.pause");
  await paused;
  const key = server.key("office");
  const sent = { userId: person.id, type: "x", title: "School closes at noon", message: "m" };
  await server.call("POST", "/api/notifications", key, sent);
  const began = Date.now();
  await until("the socket is cut", async () => (await sockets()) === 0, 60);
  assert.ok(Date.now() - began > 40_000, "its page has time to answer");
  const pushed = await service.next();
  assert.equal(pushed.json.title, "School closes at noon");
  assert.ok(Date.now() - began < 120_000);
  await session.send("Debugger.resume");
});

test("a browser that changes its subscription by itself stays the same person's", async () => {
  await openPage();
  const [old, fresh] = [service.device("before"), service.device("after")];
  const dora = await server.person("dora");
  await server.call("POST", "/api/notifications/subscribe", dora.token, old);
  const worker = browser.context.serviceWorkers()[0];
  await worker.evaluate(
    async ([old, fresh]) => {
      const own = (json) => ({ ...json, toJSON: () => json, options: {} });
      const event = new ExtendableEvent("pushsubscriptionchange");
      Object.assign(event, { oldSubscription: own(old), newSubscription: own(fresh) });
      self.dispatchEvent(event);
    },
    [old, fresh],
  );
  await until("the renewal", async () => {
    await server.call("POST", "/api/notifications/test-push", dora.token);
    return (await service.next()).path === "/after";
  });
  const list = await server.call("GET", "/api/notifications/subscriptions", dora.token);
  assert.equal(list.length, 1);
});

test("keys as the web-push package makes them are taken", async () => {
  const keys = webpush.generateVAPIDKeys();
  const other = await startServer({ VAPID_PUBLIC_KEY: keys.publicKey, VAPID_PRIVATE_KEY: keys.privateKey });
  const { publicKey } = await other.call("GET", "/api/notifications/vapid-public-key");
  assert.equal(publicKey, keys.publicKey);
  await other.stop();
});
