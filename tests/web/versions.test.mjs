// Stock clients of several versions, and handlers of one parameter: all events, and back within five seconds.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io as io40 } from "socket.io-client-4.0";
import { io as io45 } from "socket.io-client-4.5";
import { io as io46 } from "socket.io-client-4.6";
import { io as io48 } from "socket.io-client";
import { signed, startServer } from "./server.mjs";
import { until } from "./until.mjs";

// Recovery is there from 4.6 on; the clients of before bring `since`.
const VERSIONS = [
  { version: "4.0", io: io40, recovers: false },
  { version: "4.5", io: io45, recovers: false },
  { version: "4.6", io: io46, recovers: true },
  { version: "4.8", io: io48, recovers: true },
];
const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]];

let server, key;

before(async () => {
  server = await startServer({ SCHOOLBELL_AUTH__AUTO_PROVISION: "true" });
  key = server.key("school");
});
after(() => server?.stop());

const open = [];
afterEach(() => open.splice(0).forEach((socket) => socket.close()));

/** Somebody whom nobody knows yet. */
let people = 0;
function somebody(name, seconds) {
  const id = `${name}-${(people += 1)}`;
  return { id, token: signed(id, name, seconds) };
}

const write = (from, to, content) => server.call("POST", "/api/messages", from.token, { receiverId: to.id, content });

/** A page of somebody's: what its handlers got, by event, and the last cursor. */
function page(io, auth, transports) {
  const socket = io(server.url, { auth, transports, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500 });
  open.push(socket);
  const it = { socket, events: [], cursor: undefined };
  for (const name of ["connected", "new_message", "notification", "typing", "presence", "message_read", "unread"]) {
    socket.on(name, (data, ...more) => {
      it.events.push([name, data, more.length]);
      if (typeof more[0] === "string") it.cursor = more[0];
    });
  }
  it.named = (name) => it.events.filter((event) => event[0] === name).map((event) => event[1]);
  it.texts = () => it.named("new_message").map((message) => message.content);
  return it;
}

for (const { version, io, recovers } of VERSIONS) {
  for (const transports of TRANSPORTS) {
    const by = `${version}, ${transports.join(" then ")}`;

    test(`${by}: every event, an acknowledgement, and all that was missed over a restart`, async () => {
      const [ann, bob] = [somebody("ann"), somebody("bob")];
      for (const { token } of [ann, bob]) await server.call("GET", "/api/auth/me", token);
      let it;
      const auth = (give) => give({ token: ann.token, ...(!recovers && it?.cursor && { since: it.cursor }) });
      it = page(io, auth, transports);
      await until("connected", () => it.named("connected").length === 1);
      await write(bob, ann, "hello");
      await until("new_message", () => it.texts().includes("hello"));
      const other = page(io48, { token: bob.token }, ["websocket"]);
      await until("presence", () => it.named("presence").some(({ userId, online }) => userId === bob.id && online));
      await server.call("PUT", `/api/messages/read/${bob.id}`, ann.token);
      await until("unread", () => it.named("unread").some(({ messages }) => messages === 0));
      await until("message_read", () => other.named("message_read").some(({ readerId }) => readerId === ann.id));
      await server.call("POST", "/api/notifications", key, { userId: ann.id, type: "x", title: by, message: "m" });
      await until("notification", () => it.named("notification").some(({ title }) => title === by));
      other.socket.emit("typing", { to: ann.id, typing: true });
      await until("typing", () => it.named("typing").length > 0);
      const acknowledged = new Promise((resolve) => it.socket.emit("typing", { to: bob.id, typing: true }, resolve));
      assert.deepEqual(await acknowledged, { success: true });
      // What apps emit for themselves is nobody's error.
      let errors = 0;
      it.socket.on("error", () => (errors += 1));
      for (const event of ["join", "auth", "mark_read"]) it.socket.emit(event, { room: "x" });

      await server.end("SIGTERM");
      const began = Date.now();
      await server.start();
      await write(bob, ann, "missed");
      await until("the message that was missed", () => it.texts().includes("missed"));
      assert.ok(Date.now() - began < 5_000, `back after ${Date.now() - began} ms`);
      if (recovers) assert.equal(it.socket.recovered, true);
      assert.equal(errors, 0);
      assert.deepEqual(it.texts(), ["hello", "missed"], "each once");
    });

    test(`${by}: handlers of one parameter, and a token that expires`, async () => {
      const [bob, cat] = [somebody("bob"), somebody("cat", 2)];
      await server.call("GET", "/api/auth/me", bob.token);
      let asked = 0;
      const auth = (give) => give({ token: `Bearer ${asked++ ? signed(cat.id, "cat") : cat.token}`, cursor: false });
      const it = page(io, auth, transports);
      await until("connected", () => it.named("connected").length === 1);
      const disconnected = new Promise((resolve) => it.socket.once("disconnect", () => resolve(Date.now())));
      const began = await disconnected;
      await until("connected again", () => it.named("connected").length === 2);
      assert.ok(Date.now() - began < 5_000, `back after ${Date.now() - began} ms`);
      await write(bob, cat, "with a new token");
      await until("new_message", () => it.texts().includes("with a new token"));
      assert.ok(
        it.events.every(([, , more]) => more === 0),
        JSON.stringify(it.events),
      );
    });
  }
}
