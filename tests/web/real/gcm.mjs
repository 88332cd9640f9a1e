// Google's push service on loopback, as far as a Chromium subscribes to it and gets pushes: check-in, registration, the connection
// to the browser (MCS) and the endpoint for Web Push. The protocol is that of Chromium's google_apis/gcm (checkin.proto, mcs.proto).
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import tls from "node:tls";
import { checkToken } from "../push-service.mjs";
import { selfSigned } from "./certificate.mjs";
import { frame, message, parse, readFrame } from "./protobuf.mjs";

const HOST = "jmt17.google.com";
const MCS_VERSION = 41;
const TAG = { ping: 0, pong: 1, login: 2, loggedIn: 3, iq: 7, data: 8 };

/**
 * `switches` are for the browser's command line. The server reaches the endpoint, https://jmt17.google.com, by the proxy at `url`,
 * where `certificate` (PEM) vouches for it.
 */
export async function startGcm() {
  const { certificate, key, spkiHash } = selfSigned(["localhost", HOST]);
  // Browsers by their id, and the messages that each has not acknowledged.
  const browsers = new Map();
  const subscriptions = new Map();
  const sockets = new Set();
  const network = new EventEmitter();
  let isSilent = false;

  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    // A network that lets no subscription through.
    if (isSilent && request.url === "/register3") await once(network, "up");
    const [status, body = ""] = answer(request, Buffer.concat(chunks));
    response.writeHead(status).end(body);
  });
  server.on("connect", (_, socket) => {
    socket.on("error", () => socket.destroy());
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    const inner = new tls.TLSSocket(socket, { isServer: true, cert: certificate, key });
    inner.on("error", () => inner.destroy());
    server.emit("connection", inner);
  });
  const mcs = tls.createServer({ cert: certificate, key }, talk);
  for (const listener of [server, mcs]) {
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
  }
  const url = `http://127.0.0.1:${server.address().port}`;

  function answer(request, body) {
    if (request.url === "/checkin") return [200, checkIn()];
    if (request.url === "/register3") return [200, register(new URLSearchParams(body.toString()), request.headers)];
    const [, token] = request.url.match(/^\/fcm\/send\/([^/]+)$/) ?? [];
    const subscription = subscriptions.get(token);
    if (!subscription) return [404, "no such subscription"];
    if (subscription.deleted) return [410, "push subscription has unsubscribed or expired"];
    try {
      checkToken(request.headers.authorization, `https://${HOST}`);
    } catch (error) {
      return [403, error.message];
    }
    subscription.pushes += 1;
    if (subscription.browser) send(subscription, body, request.headers["content-encoding"]);
    return [201];
  }

  function checkIn() {
    const [id, secret] = [randomBytes(8), randomBytes(8)].map((bytes) => bytes.readBigUInt64LE() >> 1n);
    browsers.set(String(id), { secret: String(secret), socket: undefined, streamId: 0, pending: new Map() });
    return message([1, 1], [3, Date.now()], [7, id], [8, secret], [9, 1]);
  }

  function register(form, { authorization }) {
    const browser = browsers.get(form.get("device"));
    if (authorization !== `AidLogin ${form.get("device")}:${browser?.secret}`) return "Error=PHONE_REGISTRATION_ERROR";
    const [category, app, sender] = ["app", "X-subtype", "sender"].map((name) => form.get(name));
    const own = [...subscriptions.values()].filter((one) => one.app === app && one.browser === browser);
    if (form.get("delete") === "true") {
      for (const one of own) if (sender === "*" || sender === one.sender) one.deleted = true;
      return `token=${app}`;
    }
    // Chromium registers for itself, too, without an app.
    if (!app) return "token=its-own";
    const token = randomBytes(24).toString("base64url");
    subscriptions.set(token, { app, sender, category, browser, pushes: 0 });
    return `token=${token}`;
  }

  /** A browser's connection: it logs in, gets what waits for it, and acknowledges. */
  function talk(socket) {
    let browser;
    let unread = Buffer.alloc(0);
    let greeted = false;
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      if (browser?.socket === socket) browser.socket = undefined;
    });
    socket.on("data", (chunk) => {
      unread = Buffer.concat([unread, chunk]);
      if (!greeted) unread = unread.subarray(1);
      greeted = true;
      for (let one; (one = readFrame(unread)); ) {
        unread = unread.subarray(one.end);
        received(one.tag, parse(one.body));
      }
    });

    function received(tag, fields) {
      if (tag === TAG.login) return logIn(fields);
      if (tag === TAG.ping) {
        browser.streamId += 1;
        socket.write(frame(TAG.pong, Buffer.alloc(0)));
      }
      // The last stream id received.
      const seen = Number(fields.first(tag === TAG.iq ? 10 : tag === TAG.data ? 11 : 2) ?? 0);
      for (const [id, { streamId }] of browser.pending) if (streamId && streamId <= seen) browser.pending.delete(id);
    }

    function logIn(fields) {
      browser = browsers.get(fields.text(3));
      if (browser?.secret !== fields.text(5)) return socket.destroy();
      Object.assign(browser, { socket, streamId: 1 });
      for (const id of fields.all(10)) browser.pending.delete(id.toString());
      socket.write(Buffer.concat([Buffer.from([MCS_VERSION]), frame(TAG.loggedIn, message([1, fields.text(1)], [8, Date.now()]))]));
      for (const waiting of browser.pending.values()) deliver(browser, waiting);
    }
  }

  function deliver(browser, waiting) {
    if (!browser.socket) return;
    browser.streamId += 1;
    waiting.streamId = browser.streamId;
    browser.socket.write(frame(TAG.data, waiting.stanza));
  }

  /** Hands a message to the browser, or keeps it until the browser connects. */
  function send({ app, sender, category, browser }, body, encoding) {
    const id = `0:${randomBytes(8).toString("hex")}`;
    const data = Object.entries({ subtype: app, "content-encoding": encoding });
    const stanza = message(
      [3, sender],
      [5, category],
      ...data.map(([name, value]) => [7, message([1, name], [2, value])]),
      [9, id],
      [17, 60],
      [18, Math.floor(Date.now() / 1000)],
      [21, body],
      // An acknowledgement at once, please.
      [24, 1],
    );
    const waiting = { stanza, streamId: 0 };
    browser.pending.set(id, waiting);
    deliver(browser, waiting);
  }

  return {
    url,
    certificate,
    switches: [
      `--gcm-checkin-url=${url}/checkin`,
      `--gcm-registration-url=${url}/register3`,
      `--gcm-mcs-endpoint=https://127.0.0.1:${mcs.address().port}`,
      `--ignore-certificate-errors-spki-list=${spkiHash}`,
    ],
    /** A device elsewhere: its endpoint. */
    device(name) {
      subscriptions.set(name, { pushes: 0 });
      return `https://${HOST}/fcm/send/${name}`;
    },
    /** How many pushes an endpoint took; undefined, where it takes none any more. */
    pushes(endpoint) {
      const { deleted, pushes } = subscriptions.get(endpoint.split("/").at(-1)) ?? { deleted: true };
      return deleted ? undefined : pushes;
    },
    /** Whether subscriptions are left without an answer. */
    silent(is) {
      isSilent = is;
      if (!is) network.emit("up");
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      mcs.close();
      server.close().closeAllConnections();
    },
  };
}
