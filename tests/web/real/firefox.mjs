// Firefox by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), with a push service of its own on loopback.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { startNotifications } from "../notifications.mjs";
import { soon } from "../until.mjs";
import { startAutopush } from "./autopush.mjs";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

// In automation Firefox has preferences of its own, but for those that the profile sets. These must be as a person's.
const PREFERENCES = {
  "dom.push.connection.enabled": true,
  // Otherwise `client.focus()` brings no tab to the front.
  "focusmanager.testmode": false,
  "permissions.default.desktop-notification": 1,
  "dom.push.testing.allowInsecureServerURL": true,
  "intl.accept_languages": "en-US",
};

/** As `startChromium`. */
export async function startFirefox() {
  const [service, notifications] = await Promise.all([startAutopush(), startNotifications()]);
  const profile = mkdtempSync(join(tmpdir(), "schoolbell-firefox-"));
  const preferences = Object.entries({ ...PREFERENCES, "dom.push.serverURL": service.url });
  const user = preferences.map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, "user.js"), user.join(""));
  const env = { ...process.env, HOME: profile, DBUS_SESSION_BUS_ADDRESS: notifications.address };
  const child = spawn(FIREFOX, ["--headless", "--profile", profile, "--remote-debugging-port=0", "about:blank"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const orphan = () => child.kill("SIGKILL");
  process.on("exit", orphan);
  const bidi = await connect(`${await listening(child)}/session`);
  await bidi.send("session.new", { capabilities: {} });

  function tab(context) {
    const send = (method, parameters) => bidi.send(method, { context, ...parameters });
    return {
      goto: (url) => send("browsingContext.navigate", { url, wait: "complete" }),
      async evaluate(body, ...values) {
        const { result, exceptionDetails } = await bidi.send("script.callFunction", {
          functionDeclaration: `async (values) => JSON.stringify(await (${body})(...JSON.parse(values)))`,
          arguments: [{ type: "string", value: JSON.stringify(values) }],
          target: { context },
          awaitPromise: true,
          userActivation: true,
        });
        if (exceptionDetails) throw new Error(exceptionDetails.text);
        return result.type === "string" ? JSON.parse(result.value) : undefined;
      },
      toFront: () => send("browsingContext.activate"),
      close: () => send("browsingContext.close"),
    };
  }

  async function tree() {
    const { contexts } = await bidi.send("browsingContext.getTree", { maxDepth: 0 });
    return contexts;
  }

  return {
    service,
    notifications: notifications.service,
    environment: { SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS: "true" },
    async open(url) {
      const { context } = await bidi.send("browsingContext.create", { type: "tab" });
      const opened = tab(context);
      await opened.goto(url);
      return opened;
    },
    urls: async () => (await tree()).map(({ url }) => url),
    async stop() {
      const ended = child.exitCode === null && once(child, "exit");
      bidi.send("browser.close").catch(() => {});
      const timer = setTimeout(orphan, 10_000);
      await ended;
      clearTimeout(timer);
      process.off("exit", orphan);
      notifications.stop();
      service.stop();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Where it takes commands. */
function listening(child) {
  let said = "";
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`Firefox ended (${code}): ${said}`)));
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const [, url] = said.match(/WebDriver BiDi listening on (ws:\S+)/) ?? [];
      if (url) resolve(url);
    });
  });
}

async function connect(url) {
  const socket = new WebSocket(url);
  await once(socket, "open");
  const calls = new Map();
  let last = 0;
  socket.on("message", (data) => {
    const { id, type, result, error, message } = JSON.parse(data);
    const call = calls.get(id);
    calls.delete(id);
    if (type === "success") call?.resolve(result);
    else call?.reject(new Error(`${error}: ${message}`));
  });
  socket.on("close", () => calls.forEach(({ reject }) => reject(new Error("Firefox has gone"))));
  function send(method, params = {}) {
    last += 1;
    const answer = new Promise((resolve, reject) => calls.set(last, { resolve, reject }));
    socket.send(JSON.stringify({ id: last, method, params }));
    return soon(`${method} ${JSON.stringify(params)}`, answer);
  }
  return { send };
}
