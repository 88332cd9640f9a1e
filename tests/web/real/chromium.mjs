// Chromium as a person has it, with a push service of its own on loopback: a tab behind another one is hidden, which is not so where
// Playwright starts the browser, and what a tab was left with goes into the back/forward cache.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { startNotifications } from "../notifications.mjs";
import { soon } from "../until.mjs";
import { startGcm } from "./gcm.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/**
 * `service` is the browser's push service, `environment` has the server reach it, `notifications` are those of its desktop. A tab's
 * `evaluate` calls a function in the page.
 */
export async function startChromium() {
  const [service, notifications] = await Promise.all([startGcm(), startNotifications()]);
  const profile = mkdtempSync(join(tmpdir(), "schoolbell-chromium-"));
  const authority = join(profile, "authority.pem");
  writeFileSync(authority, service.certificate);
  const switches = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--password-store=basic",
    "--disable-component-update",
    "--lang=en-US",
  ];
  const env = { ...process.env, LANGUAGE: "en_US", DBUS_SESSION_BUS_ADDRESS: notifications.address };
  const child = spawn(
    CHROMIUM,
    [...switches, ...service.switches, `--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"],
    { env, stdio: ["ignore", "ignore", "pipe"] },
  );
  const orphan = () => child.kill("SIGKILL");
  process.on("exit", orphan);
  // It leaves tabs as they are.
  const browser = await chromium.connectOverCDP(await listening(child), { noDefaults: true });
  const [context] = browser.contexts();
  context.setDefaultTimeout(10_000);
  await context.grantPermissions(["notifications"]);

  function tab(page) {
    return {
      page,
      goto: (url) => page.goto(url),
      evaluate: (body, ...values) => soon(`${page.url()}: ${body}`, page.evaluate(`(${body})(...${JSON.stringify(values)})`)),
      toFront: () => page.bringToFront(),
      close: () => page.close(),
    };
  }

  return {
    service,
    notifications: notifications.service,
    environment: { SCHOOLBELL_PUSH__ALLOW_PRIVATE_ENDPOINTS: "false", SCHOOLBELL_PUSH__PROXY: service.url, SSL_CERT_FILE: authority },
    async open(url) {
      const page = await context.newPage();
      await page.bringToFront();
      await page.goto(url);
      return tab(page);
    },
    urls: async () => context.pages().map((page) => page.url()),
    async stop() {
      const ended = child.exitCode === null && once(child, "exit");
      const session = await browser.newBrowserCDPSession();
      await session.send("Browser.close").catch(() => {});
      await ended;
      process.off("exit", orphan);
      notifications.stop();
      service.stop();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Where it takes commands. */
async function listening(child) {
  for await (const line of createInterface({ input: child.stderr })) {
    const [, url] = line.match(/DevTools listening on (ws:\S+)/) ?? [];
    if (!url) continue;
    child.stderr.resume();
    return url;
  }
  throw new Error("Chromium did not start");
}
