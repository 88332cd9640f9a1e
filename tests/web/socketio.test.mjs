// The stock socket.io-client against the real binary.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";
import { startLink } from "./link.mjs";
import { signed, startServer } from "./server.mjs";
import { until } from "./until.mjs";

const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]];

let server, ann, bob;

before(async () => {
  // Somebody writes here as fast as it takes to fill buffers, which no person does.
  server = await startServer({
    SCHOOLBELL_AUTH__AUTO_PROVISION: "true",
    SCHOOLBELL_LIMITS__WRITES_PER_MINUTE: "1000000",
    SCHOOLBELL_LIMITS__TEXT_BYTES_PER_DAY: "1000000000",
  });
  ann = await server.person("ann");
  bob = await server.person("bob");
});
after(() => server?.stop());

const open = [];
afterEach(() => open.splice(0).forEach((one) => one.close?.() ?? one.stop()));

/** A tab of somebody's: its socket, and the events that came as `[name, ...arguments]`. */
function tab(token, { url = server.url, ...options } = {}) {
  const auth = typeof token === "function" ? token : { token };
  const socket = io(url, { auth, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  open.push(socket);
  const events = [];
  socket.onAny((...event) => events.push(event));
  const named = (name) => events.filter((event) => event[0] === name).map((event) => event[1]);
  return { socket, events, named };
}

async function joined(token, options) {
  const it = tab(token, options);
  await until("connected", () => it.named("connected").length === 1);
  return it;
}

const write = (from, to, content) => server.call("POST", "/api/messages", from.token, { receiverId: to.id, content });

async function cuttable(token, options) {
  const link = await startLink(server.url);
  open.push(link);
  return { link, ...(await joined(token, { url: link.url, ...options })) };
}

/** The texts of the messages that came, of those that begin so. */
const texts = (named, start) =>
  named("new_message")
    .map((m) => m.content)
    .filter((text) => text.startsWith(start));
const fifty = (start) => Array.from({ length: 50 }, (_, n) => `${start} ${n}`);

for (const transports of TRANSPORTS) {
  const by = transports.join(" then ");

  test(`${by}: what the front ends do`, async () => {
    const { socket, events, named } = await joined(ann.token, { transports, withCredentials: true });
    assert.equal(named("connected")[0].userId, ann.id);
    assert.equal(socket.recovered, false);
    await until("the transport", () => socket.io.engine.transport.name === transports.at(-1));

    const message = await write(bob, ann, "hello");
    await until("new_message", () => named("new_message").length === 1);
    assert.deepEqual(named("new_message")[0], message);
    assert.deepEqual(message.sender, { id: bob.id, name: "bob", avatar: null });

    const key = await server.key("school");
    const notification = { userId: ann.id, type: "grade", title: "Graded", message: "A for the essay", link: "/grades/7" };
    await server.call("POST", "/api/notifications", key, notification);
    await until("notification", () => named("notification").length === 1);
    const { title, message: text, link } = named("notification")[0];
    assert.deepEqual({ title, text, link }, { title: "Graded", text: "A for the essay", link: "/grades/7" });
    const durable = ["connected", "new_message", "notification"];
    const offset = (event) => typeof event.at(-1) === "string";
    assert.ok(
      events.every((event) => offset(event) === durable.includes(event[0])),
      "durable events end with their offset",
    );

    const other = await joined(bob.token, { transports });
    const acknowledged = await socket.timeout(5_000).emitWithAck("typing", { to: bob.id, typing: true });
    assert.deepEqual(acknowledged, { success: true });
    await until("typing", () => other.named("typing").length === 1);
    assert.deepEqual(other.named("typing")[0], { userId: ann.id, typing: true });
    const refused = await socket.timeout(5_000).emitWithAck("typing", { to: "nobody", typing: true });
    assert.equal(refused.code, "user_not_found");
  });

  test(`${by}: a bad token is an Authentication error`, async () => {
    for (const token of ["x", undefined, signed(ann.id, "ann", 3_600, "somebody else's secret")]) {
      const { socket } = tab(token, { transports });
      const error = await new Promise((resolve) => socket.once("connect_error", resolve));
      assert.equal(error.message, "Authentication error");
      assert.equal(socket.active, false, "it does not try again by itself");
    }
  });

  test(`${by}: fifty events while the link is cut`, async () => {
    const { link, socket, named } = await cuttable(ann.token, { transports });
    const expected = fifty(`cut ${by}`);
    for (const [n, text] of expected.entries()) {
      await write(bob, ann, text);
      if (n === 10) link.cut();
    }
    link.mend();
    await until("all of them", () => texts(named, "cut").length >= 50);
    assert.equal(socket.recovered, true);
    await write(bob, ann, "cut, and after");
    await until("the last", () => texts(named, "cut, and").length === 1);
    assert.deepEqual(texts(named, `cut ${by}`), expected);
  });

  for (const signal of ["SIGTERM", "SIGKILL"]) {
    test(`${by}: ${signal} and a restart amid fifty events`, async () => {
      const { socket, named } = await joined(ann.token, { transports });
      const expected = fifty(`${signal} ${by}`);
      let reconnected = false;
      for (const [n, text] of expected.entries()) {
        await write(bob, ann, text);
        if (n === 25) {
          socket.once("connect", () => (reconnected = true));
          await server.end(signal);
          await server.start();
        }
      }
      await until("all of them", () => texts(named, signal).length >= 50 && reconnected);
      assert.equal(socket.recovered, true);
      await write(bob, ann, "after");
      await until("the last", () => texts(named, "after").length === 1);
      assert.deepEqual(texts(named, signal), expected);
    });
  }
}

test("a token that expires is asked for anew, and nothing is missed", async () => {
  let asked = 0;
  const { socket, named } = await joined((give) => give({ token: signed("cat", "Cat", asked++ ? 3_600 : 2) }));
  const cat = named("connected")[0].userId;
  assert.equal(cat, "cat");
  await new Promise((resolve) => socket.once("disconnect", resolve));
  await write(bob, { id: cat }, "while away");
  await until("the message", () => texts(named, "while away").length === 1);
  assert.equal(asked, 2);
  assert.equal(socket.recovered, true);
});

test("two tabs of one person get everything", async () => {
  const one = await joined(ann.token);
  const two = await joined(ann.token, { transports: ["websocket"] });
  await write(bob, ann, "to both");
  for (const { named } of [one, two]) await until("the message", () => texts(named, "to both").length === 1);
  one.socket.close();
  await write(bob, ann, "to the other");
  await until("the message", () => texts(two.named, "to the other").length === 1);
  assert.deepEqual(texts(one.named, "to the other"), []);
});

test("who logs out everywhere is told and does not come back", async () => {
  const dan = await server.person("dan");
  const { socket } = await joined(dan.token);
  const gone = new Promise((resolve) => socket.once("disconnect", resolve));
  await server.call("POST", "/api/auth/logout-all", dan.token);
  assert.equal(await gone, "io server disconnect");
  assert.equal(socket.active, false);
});

test("a page that was reloaded brings its offset", async () => {
  const { events, socket } = await joined(ann.token);
  socket.close();
  await write(bob, ann, "between two pages");
  const since = events.find(([name]) => name === "connected").at(-1);
  const { named } = await joined((give) => give({ token: ann.token, since }));
  await until("the message", () => texts(named, "between two").length === 1);
});

for (const transports of [["websocket"], ["polling"]]) {
  test(`${transports}: a tab that stops reading is closed within ten seconds and shown offline after the grace`, async () => {
    const eve = await server.person(`eve-${transports}`);
    const { link } = await cuttable(eve.token, { transports, reconnection: false });
    const online = async () => (await server.call("GET", `/api/presence?userIds=${eve.id}`, bob.token))[0].online;
    const slow = async () => Number(/closes_total\{code="4002"\} (\d+)/.exec(await server.metrics())?.[1] ?? 0);
    const before = await slow();
    assert.equal(await online(), true);
    link.stall();
    const stalled = Date.now();
    // What the kernel's buffers take a polling client has been sent; a WebSocket must fill them first.
    while ((await slow()) === before) {
      await Promise.all(Array.from({ length: 50 }, () => write(bob, eve, "x".repeat(4_000))));
      assert.ok(Date.now() - stalled < 12_000, "it was not closed in time");
    }
    const closed = Date.now();
    assert.equal(await online(), true, "not at once");
    await until("offline", async () => !(await online()), 25);
    assert.ok(Date.now() - closed > 15_000, "the grace");
  });
}
