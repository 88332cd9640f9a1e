// Notifications in two real browsers, from `subscribe` to the desktop and back, and what a page in the background is to the server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test as testOf } from "node:test";
import WebSocket from "ws";
import { PASSWORD, startServer } from "./server.mjs";
import { startPushService } from "./push-service.mjs";
import { startChromium } from "./real/chromium.mjs";
import { startFirefox } from "./real/firefox.mjs";
import { until } from "./until.mjs";

/** Seconds of nobody looking before other devices are pushed: few, so that the tests need not wait. */
const HIDDEN_AFTER = 3;
/** Milliseconds after which a test has failed, whatever it waits for. The longest takes two minutes. */
const TIMEOUT = 240_000;
const test = (name, body) => testOf(name, { timeout: TIMEOUT }, body);
const within = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000));

// Both at once: each has a server of its own, and one test waits for minutes.
describe("browsers", { concurrency: 2 }, () => {
  for (const browser of [
    ["Chromium", startChromium],
    ["Firefox", startFirefox],
  ])
    describe(browser[0], { concurrency: 1 }, () => inBrowser(...browser));
});

function inBrowser(name, startBrowser) {
  let browser, server, ann, keys, elsewhere;

  before(async () => {
    browser = await startBrowser();
    server = await startServer({ ...browser.environment, SCHOOLBELL_PUSH__HIDDEN_AFTER_SECONDS: String(HIDDEN_AFTER) });
    ann = await server.person("ann", "teacher");
    keys = await startPushService();
    elsewhere = new URL(keys.device("nobody").endpoint).origin;
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
    keys?.stop();
  });

  const text = () =>
    document.body.innerText + [...document.querySelectorAll("schoolbell-chat")].map(({ shadowRoot }) => shadowRoot.textContent).join();
  const shows = (tab, words) => until(`the words “${words}”`, async () => (await tab.evaluate(text).catch(() => "")).includes(words));
  const press = (tab, label) =>
    tab.evaluate(
      (label) =>
        [...document.querySelectorAll("button")]
          .find((button) => button.textContent === label || button.ariaLabel?.startsWith(label))
          .click(),
      label,
    );
  const subscription = (tab) =>
    tab.evaluate(async () => (await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription())?.toJSON() ?? null);
  /** What the browser shows now. */
  const shown = (tab) =>
    tab.evaluate(async () =>
      (await (await navigator.serviceWorker.ready).getNotifications()).map(({ title, body, tag }) => ({ title, body, tag })),
    );
  const devices = (person) => server.call("GET", "/api/notifications/subscriptions", person.token);
  const write = (person, content) => server.call("POST", "/api/messages", ann.token, { receiverId: person.id, content });

  /** Somebody who is logged in in a tab. */
  async function logIn(who, path = "/#settings") {
    const person = await server.person(who);
    const tab = await browser.open(`${server.url}/embed/`);
    await tab.evaluate(
      async (username, password) => {
        await fetch("/api/auth/session", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ username, password }),
        });
      },
      who,
      PASSWORD,
    );
    await tab.goto(server.url + path);
    return { person, tab };
  }

  async function turnOn(tab) {
    await shows(tab, "Notifications are off on this device.");
    await press(tab, "Turn on");
    await shows(tab, "Notifications are on:");
  }

  /** Somebody with notifications on, at the chat. */
  async function atTheChat(who) {
    const { person, tab } = await logIn(who);
    await turnOn(tab);
    await tab.goto(`${server.url}/?chat=${ann.id}`);
    await shows(tab, "ann");
    return { person, tab };
  }

  /** A phone that is elsewhere. */
  async function phoneOf(person, name) {
    const endpoint = browser.service.device(name);
    await server.call("POST", "/api/notifications/subscribe", person.token, { ...keys.device(name), endpoint });
    return () => browser.service.pushes(endpoint);
  }

  let displays = 0;

  /** The page knows how to show what arrives, and has told the server that it does. */
  async function shownByPage() {
    const asked = async () => {
      const lines = (await server.metrics()).matchAll(/schoolbell_http_requests_total\{[^}]*display[^}]*\} (\d+)/g);
      return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await until("the page asks how to show things", async () => (await asked()) > displays);
    displays = await asked();
    await within(0.3);
  }

  /** Puts another tab in front. */
  async function behindAnother(tab) {
    const other = await browser.open(`${server.url}/health`);
    assert.equal(await tab.evaluate(() => document.visibilityState), "hidden");
    await shownByPage();
    return other;
  }

  async function logOut(tab) {
    await tab.goto(`${server.url}/#settings`);
    await shows(tab, "Your devices");
    await press(tab, "Log out");
    await shows(tab, "Username or e-mail");
  }

  test("turned on, tested, shown with the page closed, clicked, logged out and forgotten", async () => {
    const { person, tab } = await logIn("carol");
    await turnOn(tab);
    assert.equal((await devices(person)).length, 1);
    let next = browser.notifications.next();
    await press(tab, "Send a test");
    assert.match((await next).body, /Notifications work on this device\./);

    await tab.goto(`${server.url}/health`);
    await until("the socket is gone", async () => (await sockets()) === 0, 3);
    await tab.close();
    next = browser.notifications.next();
    await write(person, "See you at <b>eight</b> 🎒");
    const notification = await next;
    assert.equal(notification.summary, "ann");
    assert.match(notification.body, /See you at/);
    browser.notifications.click(notification);
    const chat = `${server.url}/?chat=${ann.id}`;
    await until("the conversation opens", async () => (await browser.urls()).includes(chat));

    const again = await browser.open(`${server.url}/`);
    const { endpoint } = await subscription(again);
    await logOut(again);
    assert.equal((await devices(person)).length, 0);
    assert.equal(await subscription(again), null);
    await until("its push service knows it no more", () => browser.service.pushes(endpoint) === undefined);
    await again.close();
  });

  test("a device that its person removes is off, and stays so", async () => {
    const { person, tab } = await logIn("erna");
    await turnOn(tab);
    await press(tab, "Remove: ");
    await shows(tab, "Notifications are off on this device.");
    await tab.goto(`${server.url}/health`);
    await tab.goto(`${server.url}/#settings`);
    await shows(tab, "Notifications are off on this device.");
    assert.equal((await devices(person)).length, 0);

    // Removed from elsewhere: the browser has its subscription still, and the next start of the page undoes it.
    await press(tab, "Turn on");
    await shows(tab, "Notifications are on:");
    const [{ id }] = await devices(person);
    await server.call("DELETE", `/api/notifications/subscriptions/${id}`, person.token);
    await tab.goto(`${server.url}/health`);
    await tab.goto(`${server.url}/#settings`);
    await shows(tab, "Notifications are off on this device.");
    await until("it is undone", async () => (await subscription(tab)) === null);
    assert.equal((await devices(person)).length, 0);
    await logOut(tab);
    await tab.close();
  });

  test("a browser that the server has forgotten is sent again; another person's is turned off", async () => {
    const { person, tab } = await logIn("fred");
    await turnOn(tab);
    const { endpoint } = await subscription(tab);
    await server.call("DELETE", "/api/notifications/subscribe", person.token, { endpoint });
    await tab.goto(`${server.url}/health`);
    await tab.goto(`${server.url}/`);
    await until("the device is known again", async () => (await devices(person)).length === 1);

    // The session has merely run out, and somebody else logs in.
    await tab.goto(`${server.url}/health`);
    const { person: next, tab: other } = await logIn("gina");
    await shows(other, "Notifications are off on this device.");
    await until("the browser has none", async () => (await subscription(other)) === null);
    assert.equal(browser.service.pushes(endpoint), undefined, "what is for the first one does not come here");
    assert.equal((await devices(next)).length, 0);
    await logOut(other);
    await tab.close();
    await other.close();
  });

  test("behind another tab the page shows what arrives, once, and after a while the phone is pushed", async () => {
    const { person, tab } = await atTheChat("hugo");
    const phone = await phoneOf(person, "hugos");
    const admin = await server.person("head", "admin");
    const announce = async (title) => {
      const body = { title, message: "School is closed.", audience: { userIds: [person.id] } };
      return (await server.call("POST", "/api/admin/announcements", admin.token, body)).id;
    };
    const stage = async (id) => (await server.call("GET", `/api/admin/announcements/${id}/recipients`, admin.token))[0] ?? {};
    const seen = await announce("In front");
    await until("it is live", async () => (await stage(seen)).stage === "live");
    assert.equal((await stage(seen)).by, "page");

    const other = await behindAnother(tab);
    const hidden = Date.now();
    const { endpoint } = await subscription(tab);
    const before = browser.service.pushes(endpoint);
    const next = browser.notifications.next();
    await write(person, "behind the tab");
    assert.match((await next).body, /behind the tab/);
    const unseen = await announce("Behind");
    await until("both are shown", async () => (await shown(tab)).length === 2);
    assert.deepEqual((await shown(tab)).map(({ title }) => title).sort(), ["Behind", "ann"]);
    await until("the title counts", () => tab.evaluate(() => document.title.startsWith("(")));
    await until("the phone is pushed", () => phone() === 2, HIDDEN_AFTER + 10);
    assert.ok(Date.now() - hidden > (HIDDEN_AFTER - 1) * 1_000, "somebody may be there still");
    await until("it is pushed", async () => (await stage(unseen)).stage === "pushed");
    await write(person, "and more");
    await until("the phone is pushed at once", () => phone() === 3, HIDDEN_AFTER - 1);
    const titles = async () => (await shown(tab)).map(({ title, body }) => `${title}: ${body}`);
    await until("the conversation is one notification", async () => (await titles()).includes("ann (2): and more"));
    assert.equal(browser.service.pushes(endpoint), before, "nothing twice on the device that shows it");

    // Read on the phone: taken away here.
    await server.call("PUT", `/api/messages/read/${ann.id}`, person.token);
    await until("it is taken away", async () => (await shown(tab)).map(({ title }) => title).join() === "Behind");
    // In front again, it is live.
    await tab.toFront();
    await until("it is seen", async () => (await stage(unseen)).stage === "live");
    await write(person, "here again");
    await shows(tab, "here again");
    await within(1);
    assert.equal(phone(), 3);
    await other.close();
    await logOut(tab);
    await tab.close();
  });

  test("who has turned notifications off is shown none, however long the page is behind", async () => {
    const { person, tab } = await atTheChat("hedi");
    await tab.goto(`${server.url}/#settings`);
    await shows(tab, "Notifications are on:");
    await press(tab, "Turn off");
    await shows(tab, "Notifications are off on this device.");
    await tab.goto(`${server.url}/?chat=${ann.id}`);
    await shows(tab, "ann");
    const other = await browser.open(`${server.url}/health`);
    await write(person, "for later");
    await until("it has come", async () => (await tab.evaluate(text)).includes("for later"));
    await within(1);
    assert.deepEqual(await shown(tab), []);
    await other.close();
    await logOut(tab);
    await tab.close();
  });

  test("what is held back while its person looks at another device is shown when they no longer do", async () => {
    const { person, tab } = await atTheChat("nils");
    const other = await behindAnother(tab);
    const phone = new WebSocket(`${server.url.replace("http", "ws")}/ws`, { headers: { authorization: `Bearer ${person.token}` } });
    await once(phone, "message");
    await write(person, "on the phone");
    await until("it has come", async () => (await tab.evaluate(text)).includes("on the phone"));
    await within(0.5);
    assert.deepEqual(await shown(tab), []);
    phone.terminate();
    await until("it is shown here", async () => (await shown(tab)).map(({ body }) => body).join() === "on the phone");
    await other.close();
    await logOut(tab);
    await tab.close();
  });

  test("a push service that does not answer keeps nobody from logging out", async () => {
    const { tab } = await logIn("mona");
    await shows(tab, "Notifications are off on this device.");
    browser.service.silent(true);
    await press(tab, "Turn on");
    await shows(tab, "One moment");
    await press(tab, "Log out");
    await shows(tab, "Username or e-mail");
    assert.equal(await tab.evaluate(async () => (await fetch("/api/auth/me")).status), 401);
    browser.service.silent(false);
    await tab.close();
  });

  test("a conversation is one notification, with the page closed too, and is gone when the page opens it", async () => {
    const { person, tab } = await atTheChat("ida");
    await tab.goto(`${server.url}/health`);
    await until("the socket is gone", async () => (await sockets()) === 0, 3);
    for (const content of ["one", "two", "three"]) await write(person, content);
    const all = async () => (await shown(tab)).map(({ title, body }) => `${title}: ${body}`);
    await tab.goto(`${server.url}/embed/`);
    await until("the third", async () => (await all()).join() === "ann (3): three");
    await tab.goto(`${server.url}/?chat=${ann.id}`);
    await shows(tab, "three");
    await until("it is taken away", async () => (await all()).length === 0);
    await logOut(tab);
    await tab.close();
  });

  test("a click leads the open tab there, and what is being written in it stays", async () => {
    const { person, tab } = await atTheChat("jana");
    const bert = await server.person("bert", "teacher");
    await server.call("POST", "/api/messages", bert.token, { receiverId: person.id, content: "from bert" });
    await tab.evaluate(() => {
      globalThis.sameDocument = true;
      document.querySelector("schoolbell-chat").shadowRoot.querySelector("textarea").value = "half a sent";
    });
    const other = await behindAnother(tab);
    const next = browser.notifications.next();
    await server.call("POST", "/api/messages", bert.token, { receiverId: person.id, content: "look here" });
    browser.notifications.click(await next);
    await shows(tab, "look here");
    await until("the tab is in front", () => tab.evaluate(() => document.visibilityState === "visible"));
    await until("bert's conversation", () =>
      tab.evaluate(() => new URL(location.href).searchParams.get("chat")).then((id) => id === bert.id),
    );
    const draft = await tab.evaluate(async (id) => {
      const chat = document.querySelector("schoolbell-chat");
      await chat.open(id);
      return globalThis.sameDocument && chat.shadowRoot.querySelector("textarea").value;
    }, ann.id);
    assert.equal(draft, "half a sent");

    // The browser knows the tab by the address that it was opened at, whatever it shows now.
    await tab.evaluate((id) => document.querySelector("schoolbell-chat").open(id), bert.id);
    await other.toFront();
    await until("it is behind again", () => tab.evaluate(() => document.visibilityState === "hidden"));
    await shownByPage();
    const again = browser.notifications.next();
    await write(person, "and back");
    browser.notifications.click(await again);
    await until("ann's conversation", () =>
      tab.evaluate(() => new URL(location.href).searchParams.get("chat")).then((id) => id === ann.id),
    );
    assert.ok(await tab.evaluate(() => globalThis.sameDocument));
    await other.close();
    await logOut(tab);
    await tab.close();
  });

  test("whoever leaves the page in the same tab is gone at once, and what comes is pushed", async () => {
    const { person, tab } = await atTheChat("kurt");
    const phone = await phoneOf(person, "kurts");
    await until("the page's socket", async () => (await sockets()) === 1);
    // Another site. Chromium keeps ours in its back/forward cache, and would answer pings for it.
    await tab.goto(`${elsewhere}/`);
    await until("the socket is gone", async () => (await sockets()) === 0, 3);
    const admin = await server.person("deputy", "admin");
    const stage = await announceTo(person, admin);
    await until("the phone is pushed", () => phone() === 1, 5);
    await until("it is pushed", async () => (await stage()) === "pushed");
    await back(tab);
    await shows(tab, "ann");
    await until("the page's socket", async () => (await sockets()) === 1);
    await logOut(tab);
    await tab.close();
  });

  if (name === "Chromium") {
    test("a frozen page is not there: the phone is pushed, and in the end its own device", async () => {
      const { person, tab } = await atTheChat("lena");
      const phone = await phoneOf(person, "lenas");
      const { endpoint } = await subscription(tab);
      const before = browser.service.pushes(endpoint);
      const other = await behindAnother(tab);
      await within(HIDDEN_AFTER + 2);
      const session = await tab.page.context().newCDPSession(tab.page);
      await session.send("Page.setWebLifecycleState", { state: "frozen" });
      const admin = await server.person("bursar", "admin");
      const stage = await announceTo(person, admin);
      const stages = new Set();
      await until("the phone is pushed", () => phone() === 1, 5);
      const end = Date.now() + 120_000;
      while (browser.service.pushes(endpoint) === before && Date.now() < end) {
        stages.add(await stage());
        await within(1);
      }
      assert.equal(browser.service.pushes(endpoint), before + 1);
      stages.add(await stage());
      assert.deepEqual(
        [...stages].filter((one) => !["waiting", "pushed"].includes(one)),
        [],
      );
      await tab.toFront();
      await logOut(tab);
      await other.close();
      await tab.close();
    });
  }

  /** Announces something to somebody, and returns what says how far that is. */
  async function announceTo(person, admin) {
    const body = { title: "School closes at noon", message: "Snow.", audience: { userIds: [person.id] } };
    const { id } = await server.call("POST", "/api/admin/announcements", admin.token, body);
    return async () => (await server.call("GET", `/api/admin/announcements/${id}/recipients`, admin.token))[0]?.stage ?? "waiting";
  }

  /** Back to the page before, out of the back/forward cache where the browser has it there. */
  const back = (tab) => (tab.page ? tab.page.goBack({ waitUntil: "commit" }) : tab.evaluate(() => history.back()));

  /** How many sockets are open. */
  const sockets = async () => Number(/schoolbell_connections\{transport="ws"\} (\d+)/.exec(await server.metrics())?.[1] ?? 0);
}
