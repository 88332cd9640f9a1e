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

let server, ann, bob, key;

before(async () => {
  server = await startServer({ SCHOOLBELL_AUTH__AUTO_PROVISION: "true" });
  ann = await server.person("ann");
  bob = await server.person("bob");
  key = server.key("school");
});
after(() => server?.stop());

const open = [];
afterEach(() => open.splice(0).forEach((socket) => socket.close()));

const write = (content, to = ann.id) => server.call("POST", "/api/messages", bob.token, { receiverId: to, content });

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
      let it;
      const auth = (give) => give({ token: ann.token, ...(!recovers && it?.cursor && { since: it.cursor }) });
      it = page(io, auth, transports);
      await until("connected", () => it.named("connected").length === 1);
      const other = page(io48, { token: bob.token }, ["websocket"]);
      await until("presence", () => it.named("presence").some((one) => one.userId === bob.id) || other.named("connected").length);
      await write(`hello ${by}`);
      await until("new_message", () => it.texts().includes(`hello ${by}`));
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
      await write(`missed ${by}`);
      await until("the message that was missed", () => it.texts().includes(`missed ${by}`));
      assert.ok(Date.now() - began < 5_000, `back after ${Date.now() - began} ms`);
      if (recovers) assert.equal(it.socket.recovered, true);
      assert.equal(errors, 0);
      const texts = it.texts();
      assert.deepEqual(texts, [...new Set(texts)], "each once");
    });

    test(`${by}: handlers of one parameter, and a token that expires`, async () => {
      const name = `cat-${by.replace(/\W+/g, "-")}`;
      let asked = 0;
      const auth = (give) => give({ token: `Bearer ${signed(name, "Cat", asked++ ? 3_600 : 2)}`, cursor: false });
      const it = page(io, auth, transports);
      await until("connected", () => it.named("connected").length === 1);
      const disconnected = new Promise((resolve) => it.socket.once("disconnect", () => resolve(Date.now())));
      const began = await disconnected;
      await until("connected again", () => it.named("connected").length === 2);
      assert.ok(Date.now() - began < 5_000, `back after ${Date.now() - began} ms`);
      await write("with a new token", name);
      await until("new_message", () => it.texts().includes("with a new token"));
      assert.ok(it.events.every(([, , more]) => more === 0), JSON.stringify(it.events));
    });
  }
}
