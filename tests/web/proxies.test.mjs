// The snippets of `docs/proxies.md`, in the real programs, with an app's own back end beside.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";
import { createServer as createVite } from "vite";
import { startBrowser } from "./browser.mjs";
import { PASSWORD, signed, startServer } from "./server.mjs";
import { until } from "./until.mjs";

const PAGE = readFileSync(new URL("../../docs/proxies.md", import.meta.url), "utf8");

/** The snippet of this language and name, with the ports of this test. */
function snippet(language, name, url) {
  const blocks = [...PAGE.matchAll(/```(\w+)\n([\s\S]*?)```/g)];
  const found = blocks.find(([, of, text]) => of === language && /^(#|\/\/) (\w+)/.exec(text)?.[2] === name);
  assert.ok(found, `the page has a snippet ${name} for ${language}`);
  return found[2].replaceAll("127.0.0.1:3000", new URL(url).host).replaceAll("127.0.0.1:4000", new URL(app.url).host);
}

let app, server, below, browser, folder;

before(async () => {
  app = await startApp();
  folder = mkdtempSync(join(tmpdir(), "schoolbell-proxies-"));
  // nginx gives its workers another user.
  chmodSync(folder, 0o755);
  const options = { SCHOOLBELL_AUTH__AUTO_PROVISION: "true" };
  server = await startServer(options);
  below = await startServer({ ...options, SCHOOLBELL_SERVER__PUBLIC_URL: "http://127.0.0.1/bell" });
  browser = await startBrowser();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await below?.stop();
  app?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const open = [];
afterEach(async () => {
  for (const one of open.splice(0)) await (one.close?.() ?? one.stop());
});

/** The app's own back end: says what it was asked for. */
async function startApp() {
  const http = createServer((request, response) => response.end(JSON.stringify({ app: request.url })));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { url: `http://127.0.0.1:${http.address().port}`, stop: () => http.close() };
}

async function freePort() {
  const http = createServer();
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address();
  await new Promise((resolve) => http.close(resolve));
  return port;
}

async function run(port, signal, program, ...parameters) {
  const env = { ...process.env, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
  const child = spawn(program, parameters, { env, stdio: ["ignore", "ignore", "inherit"] });
  open.push({
    stop: async () => {
      child.kill(signal);
      await once(child, "exit");
    },
  });
  await until(program, async () => {
    const socket = connect(port, "127.0.0.1");
    const up = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
    socket.destroy();
    return up;
  });
  return `http://127.0.0.1:${port}`;
}

const PROXIES = {
  async nginx(text) {
    const port = await freePort();
    const file = join(folder, `nginx-${port}.conf`);
    const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
    writeFileSync(
      file,
      `daemon off; pid ${folder}/nginx-${port}.pid; error_log stderr error; events {}
       http { access_log off; ${own.join(" ")} server { listen 127.0.0.1:${port}; ${text} } }`,
    );
    return run(port, "SIGTERM", "nginx", "-c", file);
  },
  async caddy(text) {
    const port = await freePort();
    const file = join(folder, `Caddyfile-${port}`);
    writeFileSync(
      file,
      `{\n admin off\n auto_https off\n log {\n  level ERROR\n }\n}\n${text.replace("school.example", `http://127.0.0.1:${port}`)}`,
    );
    // Asked kindly, it waits for every socket to end by itself.
    return run(port, "SIGKILL", "caddy", "run", "--adapter", "caddyfile", "--config", file);
  },
  async vite(text) {
    const port = await freePort();
    const config = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    const vite = await createVite({
      configFile: false,
      root: folder,
      logLevel: "error",
      server: { ...config.default.server, port, host: "127.0.0.1", strictPort: true },
    });
    await vite.listen();
    open.push(vite);
    return `http://127.0.0.1:${port}`;
  },
};
const LANGUAGES = { nginx: "nginx", caddy: "caddy", vite: "js" };

function socketOf(url, token, options) {
  const socket = io(url, { auth: { token }, forceNew: true, ...options });
  open.push(socket);
  const got = [];
  socket.on("new_message", (message) => got.push(message.content));
  return { socket, got };
}

for (const [name, start] of Object.entries(PROXIES)) {
  test(`${name}: messages, notifications and sockets come here, the rest goes to the app`, async () => {
    const url = await start(snippet(LANGUAGES[name], "split", server.url));
    const [ann, bob] = ["ann", "bob"].map((id) => signed(`${id}-${name}`, id));
    const get = async (path, token) => (await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })).json();
    await get("/api/notifications?page=1&limit=20", ann);
    const sockets = [];
    for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
      const one = socketOf(url, ann, { transports });
      sockets.push(one);
      await until(`connected by ${transports}`, () => one.socket.connected);
    }
    assert.deepEqual(await get("/api/courses/7", ann), { app: "/api/courses/7" });
    assert.equal((await get("/api/v1/notifications", ann)).success, true);
    assert.deepEqual(await get("/api/v1/courses/7", ann), { app: "/api/v1/courses/7" });
    const sent = await fetch(`${url}/api/messages/send`, {
      method: "POST",
      headers: { authorization: `Bearer ${bob}`, "content-type": "application/json" },
      body: JSON.stringify({ receiverId: `ann-${name}`, message: "through the proxy" }),
    });
    assert.equal(sent.status, 201);
    for (const { got } of sockets) await until("the message", () => got.length === 1);
    const list = await get("/api/messages/conversations", ann);
    assert.equal(list.data[0].lastMessage.content, "through the proxy");
    if (name !== "vite") assert.deepEqual(await get("/anything", ann), { app: "/anything" });
  });
}

for (const name of ["nginx", "caddy"]) {
  test(`${name}: everything below a path, the pages, their sockets and the service worker`, async () => {
    const url = await PROXIES[name](snippet(name, "below", below.url));
    const ann = await below.person(`ann-${name}`, "admin");
    const bob = await below.person(`bob-${name}`);
    for (const transports of [["websocket"], ["polling"]]) {
      const { socket } = socketOf(url, ann.token, { transports, path: "/bell/socket.io" });
      await until(`connected by ${transports}`, () => socket.connected);
    }
    await browser.context.clearCookies();
    const page = await browser.context.newPage();
    const failed = [];
    page.on("response", (response) => response.status() >= 400 && response.status() !== 401 && failed.push(response.url()));
    await page.goto(`${url}/bell`);
    assert.equal(new URL(page.url()).pathname, "/bell/");
    await page.fill("[name=username]", `ann-${name}`);
    await page.fill("[name=password]", PASSWORD);
    await page.press("[name=password]", "Enter");
    await page.waitForSelector("schoolbell-chat");
    const cookies = await browser.context.cookies(`${url}/bell/`);
    const session = cookies.find((cookie) => cookie.name.endsWith("schoolbell_session"));
    assert.equal(session.path, "/bell/");
    assert.deepEqual(
      (await browser.context.cookies(`${url}/other`)).filter((cookie) => cookie.name === session.name),
      [],
    );
    await below.call("POST", "/api/messages", bob.token, { receiverId: ann.id, content: `live, through ${name}` });
    await page.waitForSelector(`text=live, through ${name}`);
    const scope = await page.evaluate(async () => (await navigator.serviceWorker.ready).scope);
    assert.equal(scope, `${url}/bell/`);
    await page.goto(`${url}/bell/admin/`);
    await page.waitForSelector("text=Announcements");
    await page.click("text=People");
    await page.waitForSelector(`text=bob-${name}`);
    const manifest = await (await fetch(`${url}/bell/manifest.webmanifest`)).json();
    assert.equal(manifest.start_url, "./");
    assert.deepEqual(failed, [], "nothing is fetched from elsewhere");
    await page.close();
  });
}
