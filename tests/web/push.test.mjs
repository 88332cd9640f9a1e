// Pushes from the server to a notification on the desktop, and back by a click.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import webpush from "web-push";
import { pushTo, startBrowser } from "./browser.mjs";
import { startPushService } from "./push-service.mjs";
import { startServer } from "./server.mjs";
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

test("a message becomes a notification, and a click opens it", async () => {
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
  assert.deepEqual(own, [{ title: "ann", body: "See you at <b>eight</b> 🎒", tag: `message:${ann.id}` }]);

  // The page of this tab does not lead there: it stays as it is.
  const [opened] = await Promise.all([browser.context.waitForEvent("page"), browser.notifications.click(notification)]);
  await opened.waitForURL(server.url + push.json.link);
  assert.equal(new URL(opened.url()).search, `?chat=${ann.id}`);
  assert.equal(page.url(), `${server.url}/example/`);
  const left = await page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).length);
  assert.equal(left, 0);
});

test("the same thing pushed twice is one notification", async () => {
  const deliver = await openPage();
  const text = JSON.stringify({ title: "T", message: "M", link: "/", id: "x", tag: "x" });
  await deliver(text);
  await deliver(text);
  await deliver(JSON.stringify({ title: "U", message: "M", link: "/", id: "y", tag: "y" }));
  const tags = () => page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map((n) => n.tag));
  await until("the last notification", async () => (await tags()).includes("y"));
  assert.deepEqual((await tags()).sort(), ["x", "y"]);
  await page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).forEach((n) => n.close()));
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
  // Tabs that do not answer whether they lead there are waited for; a click after that is one of its own.
  await new Promise((resolve) => setTimeout(resolve, 1_000));

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
