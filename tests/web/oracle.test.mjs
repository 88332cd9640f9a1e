// The Node socket.io server as the oracle: one client script against both, the same packets apart from ids and times.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { startServer } from "./server.mjs";
import { until } from "./until.mjs";

let server, ann, bob;

before(async () => {
  server = await startServer();
  ann = await server.person("ann");
  bob = await server.person("bob");
});
after(() => server?.stop());

/** A Node server that says what schoolbell said: `said` is the data of its events. */
async function startNode(said) {
  const http = createServer();
  const node = new Server(http, { connectionStateRecovery: {}, maxHttpBufferSize: 65_536, cors: { origin: "*" } });
  const refusal = Object.assign(new Error("Authentication error"), { data: { code: "token_invalid" } });
  node.use((socket, next) => next(socket.handshake.auth.token === ann.token ? undefined : refusal));
  let current;
  node.on("connection", (socket) => {
    current = socket;
    socket.emit("connected", said.connected);
    socket.on("typing", (_, acknowledge) => acknowledge?.({ success: true }));
    socket.on("ping", (acknowledge) => {
      acknowledge?.({ success: true });
      socket.emit("pong", {});
    });
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${http.address().port}`,
    send: async (name) => current.emit(name, said[name]),
    stop: () => node.close(),
  };
}

const schoolbell = (said) => ({
  url: server.url,
  async send(name) {
    if (name === "new_message") {
      const body = { receiverId: ann.id, content: "hello" };
      return (said[name] = await server.call("POST", "/api/messages", bob.token, body));
    }
    const body = { userId: ann.id, type: "grade", title: "Graded", message: "A" };
    await server.call("POST", "/api/notifications", await server.key("oracle"), body);
  },
});

/** What an id or a time is in one of them, it is in the other; what the client makes at random is left out. */
function normal(packet) {
  return (
    packet
      .replace(/"(sid|pid)":"[^"]*"/g, '"$1":"…"')
      .replace(/"token":"[^"]*"/g, '"token":"…"')
      // How far the events have gone is told anew at each connection.
      .replace(/(\["connected",\{"userId":"[^"]*").*\}/, "$1…}")
      .replace(/"offset":"[^"]*"/, '"offset":"…"')
      // The last argument of an event.
      .replace(/,"[^"]*"\]$/, ',"…"]')
      // What is not durable has no offset here.
      .replace(/2\["pong",\{\},"…"\]$/, '2["pong",{}]')
  );
}

/** Every packet of Engine.IO that a script's client sends and gets, heartbeats and idle polls left out. */
async function record(transports, url, script) {
  const sent = [];
  const received = [];
  // Apart from the rest: a client that is told to close in the middle of its upgrade ends that first, however long it takes.
  const closed = [];
  let opened = 0;
  const socket = io(url, { transports, auth: { token: ann.token }, autoConnect: false, forceNew: true, reconnectionDelay: 100 });
  const events = [];
  socket.onAny((...event) => events.push(event));
  const told = ({ type, data }) => !["ping", "pong", "noop"].includes(type) && normal(`${type} ${data ?? ""}`);
  socket.io.on("open", () => {
    const { engine } = socket.io;
    opened += 1;
    engine.on("packetCreate", (packet) => told(packet) && sent.push(told(packet)));
    engine.on("packet", (packet) => told(packet) && received.push(told(packet)));
    engine.on("close", (reason) => closed.push(reason));
  });
  for (const name of ["connect", "disconnect", "connect_error"]) {
    socket.on(name, (why) => received.push(`${name}: ${why?.message ?? why ?? ""}`));
  }
  await script(socket, events);
  socket.close();
  await until("every connection to be closed", () => closed.length === opened);
  return { sent, received, closed };
}

/** Runs a script against both, and holds them against each other. */
async function compare(transports, script) {
  const said = {};
  const ours = schoolbell(said);
  const here = await record(transports, ours.url, async (socket, events) => {
    await script(socket, events, ours);
    for (const [name, data] of events) said[name] ??= data;
  });
  const node = await startNode(said);
  try {
    const there = await record(transports, node.url, (socket, events) => script(socket, events, node));
    assert.deepEqual(here, there);
  } finally {
    node.stop();
  }
  return here;
}

const count = (events, name) => events.filter((event) => event[0] === name).length;

async function connect(socket, events, transports) {
  socket.connect();
  await until("connected", () => count(events, "connected") === 1);
  await until("the upgrade", () => socket.io.engine.transport.name === transports.at(-1));
}

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  const by = transports.join(" then ");

  test(`${by}: connecting, events, acknowledgements, leaving`, async () => {
    const { received } = await compare(transports, async (socket, events, peer) => {
      await connect(socket, events, transports);
      await peer.send("new_message");
      await until("the message", () => count(events, "new_message") === 1);
      await peer.send("notification");
      await until("the notification", () => count(events, "notification") === 1);
      assert.deepEqual(await socket.timeout(5_000).emitWithAck("typing", { to: bob.id, typing: true }), { success: true });
      assert.deepEqual(await socket.timeout(5_000).emitWithAck("ping"), { success: true });
      await until("the pong", () => count(events, "pong") === 1);
    });
    assert.ok(received.length >= 8, "something was recorded");
  });

  test(`${by}: a bad token`, () =>
    compare(transports, async (socket) => {
      socket.auth = { token: "x" };
      socket.connect();
      await new Promise((resolve) => socket.once("connect_error", resolve));
    }));

  test(`${by}: another namespace`, () =>
    compare(transports, async (socket, events) => {
      await connect(socket, events, transports);
      const admin = socket.io.socket("/admin", { auth: { token: ann.token } });
      const refused = new Promise((resolve) => admin.once("connect_error", resolve));
      admin.connect();
      const error = await refused;
      assert.equal(error.message, "Invalid namespace");
    }));

  test(`${by}: leaving and connecting again`, () =>
    compare(transports, async (socket, events) => {
      await connect(socket, events, transports);
      socket.disconnect();
      events.length = 0;
      await connect(socket, events, transports);
    }));

  test(`${by}: coming back recovered`, () =>
    compare(transports, async (socket, events, peer) => {
      await connect(socket, events, transports);
      await peer.send("new_message");
      await until("the message", () => count(events, "new_message") === 1);
      const again = new Promise((resolve) => socket.once("connect", resolve));
      // No goodbye of Socket.IO's: the connection below ends.
      socket.io.engine.close();
      await again;
      assert.equal(socket.recovered, true);
    }));
}

/** Requests that no client makes, by hand: the same status and the same code. */
test("requests that are refused", async () => {
  const node = await startNode({ connected: {} });
  const open = async (url) => {
    const text = await (await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).text();
    return `EIO=4&transport=polling&sid=${JSON.parse(text.slice(1)).sid}`;
  };
  try {
    for (const [method, query, body] of [
      ["GET", "EIO=4"],
      ["GET", "EIO=3&transport=polling"],
      ["GET", "EIO=4&transport=flashsocket"],
      ["GET", "EIO=4&transport=websocket"],
      ["POST", "EIO=4&transport=polling"],
      ["GET", "EIO=4&transport=polling&sid=nobody"],
      ["POST", "EIO=4&transport=polling&sid=nobody", "40"],
    ]) {
      const answers = await Promise.all(
        [server.url, node.url].map(async (url) => {
          const answer = await fetch(`${url}/socket.io/?${query}`, { method, body });
          return [answer.status, await answer.json()];
        }),
      );
      assert.deepEqual(answers[0], answers[1], `${method} ${query}`);
    }
    // What ends a session, by what the next poll says of it.
    for (const bad of ["7", "2", "4", "4abc", "42{}", '42["connect"]', '42abc["a"]', "451-[]", "40[]"]) {
      const polls = await Promise.all(
        [server.url, node.url].map(async (url) => {
          const query = await open(url);
          const target = `${url}/socket.io/?${query}`;
          await fetch(target, { method: "POST", body: bad }).catch(() => {});
          let poll = await fetch(target);
          // The last packet of a session may still be there to be fetched.
          if (poll.status === 200) {
            assert.match(await poll.text(), /(^|\x1e)1$/, bad);
            poll = await fetch(target);
          }
          return [poll.status, await poll.json()];
        }),
      );
      assert.deepEqual(polls[0], polls[1], bad);
      assert.deepEqual(polls[0], [400, { code: 1, message: "Session ID unknown" }], bad);
    }
  } finally {
    node.stop();
  }
});
