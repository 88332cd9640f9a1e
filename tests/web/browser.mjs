// Chromium, with the notifications of its desktop in the test's hands.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { startNotifications } from "./notifications.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A browser that allows notifications. The profile is a real one: Chromium takes clicks to no other. */
export async function startBrowser() {
  const notifications = await startNotifications();
  const profile = mkdtempSync(join(tmpdir(), "schoolbell-profile-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--headless=new"],
    env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: notifications.address },
    permissions: ["notifications"],
  });
  context.setDefaultTimeout(10_000);

  async function stop() {
    await context.close();
    notifications.stop();
    rmSync(profile, { recursive: true, force: true });
  }
  return { context, notifications: notifications.service, stop };
}

/** Hands a payload to the page's service worker as the push service would: `deliver(text)`. */
export async function pushTo(page) {
  const session = await page.context().newCDPSession(page);
  const registered = new Promise((resolve) => {
    session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      if (registrations.length) resolve(registrations[0].registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  const registrationId = await registered;
  const origin = new URL(page.url()).origin;
  return (data) => session.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data });
}
