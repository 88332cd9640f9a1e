// Mozilla's push service on loopback: the protocol between Firefox and autopush (sub-protocol `push-notification`), and the endpoint
// for Web Push, whose pushes go to the browser as they are.
import { randomBytes, randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { WebSocketServer } from "ws";
import { checkToken } from "../push-service.mjs";

/** `url` is for the browser's preference `dom.push.serverURL`. */
export async function startAutopush() {
  // Subscriptions by their channel and by their endpoint's path; browsers by their uaid.
  const channels = new Map();
  const paths = new Map();
  const browsers = new Map();
  const network = new EventEmitter();
  let isSilent = false;

  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [status, message] = push(request, Buffer.concat(chunks));
    response.writeHead(status).end(message);
  });

  function push({ url, headers }, body) {
    const channel = paths.get(url);
    if (!channel) return [410, "No such subscription"];
    try {
      checkToken(headers.authorization, base);
    } catch (error) {
      return [401, error.message];
    }
    channel.pushes += 1;
    if (!channel.uaid) return [201];
    const { channelID, uaid, waiting } = channel;
    const version = randomUUID();
    const data = body.toString("base64url");
    waiting.set(version, { messageType: "notification", channelID, version, data, headers: { encoding: headers["content-encoding"] } });
    send(uaid, waiting.get(version));
    return [201];
  }

  function send(uaid, message) {
    browsers.get(uaid)?.send(JSON.stringify(message));
  }

  const websockets = new WebSocketServer({ server, handleProtocols: () => "push-notification" });
  websockets.on("connection", (socket) => {
    let uaid;
    const handlers = {
      hello(message) {
        const known = [...channels.values()].filter((channel) => channel.uaid === message.uaid);
        uaid = known.length ? message.uaid : randomBytes(16).toString("hex");
        browsers.set(uaid, socket);
        reply({ messageType: "hello", uaid, status: 200, use_webpush: true, broadcasts: {} });
        for (const { waiting } of known) for (const one of waiting.values()) send(uaid, one);
      },
      async register({ channelID }) {
        // A network that lets no subscription through.
        if (isSilent) await once(network, "up");
        const path = `/wpush/v2/${randomBytes(24).toString("base64url")}`;
        const channel = { channelID, uaid, path, pushes: 0, waiting: new Map() };
        channels.set(channelID, channel);
        paths.set(path, channel);
        reply({ messageType: "register", channelID, status: 200, pushEndpoint: base + path });
      },
      unregister({ channelID }) {
        paths.delete(channels.get(channelID)?.path);
        channels.delete(channelID);
        reply({ messageType: "unregister", channelID, status: 200 });
      },
      ack({ updates }) {
        for (const { channelID, version } of updates) channels.get(channelID)?.waiting.delete(version);
      },
    };
    const reply = (message) => socket.send(JSON.stringify(message));
    socket.on("error", () => socket.terminate());
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      // A ping is an empty object.
      if (message.messageType) handlers[message.messageType]?.(message);
      else reply({});
    });
  });

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  const base = `http://127.0.0.1:${port}`;
  return {
    url: `ws://127.0.0.1:${port}/`,
    /** A device elsewhere: its endpoint. */
    device(name) {
      paths.set(`/${name}`, { pushes: 0 });
      return `${base}/${name}`;
    },
    /** How many pushes an endpoint took; undefined, where it takes none any more. */
    pushes: (endpoint) => paths.get(new URL(endpoint).pathname)?.pushes,
    /** Whether subscriptions are left without an answer. */
    silent(is) {
      isSilent = is;
      if (!is) network.emit("up");
    },
    stop() {
      websockets.clients.forEach((socket) => socket.terminate());
      websockets.close();
      server.close().closeAllConnections();
    },
  };
}
