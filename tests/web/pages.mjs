// Pages as people see them: a browser for each, at a width, in light or dark, in a language.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { PASSWORD } from "./server.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

export async function startPages(server) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const troubles = [];

  /** A page in a browser of its own. What goes wrong in its scripts fails the test that calls `quiet`. */
  async function open(path, { width = 1_280, height = 800, dark = false, locale = "en", context } = {}) {
    context ??= await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", locale });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    page.on("pageerror", (error) => troubles.push(error.message));
    // A browser writes down each answer that is no success; those are the page's to show.
    page.on("console", (message) => {
      const network = /Failed to load resource|WebSocket connection|ERR_/.test(message.text());
      if (message.type() === "error" && !network) troubles.push(message.text());
    });
    await page.goto(server.url + path);
    return page;
  }

  /** As somebody who has logged in. */
  async function visit(username, path = "/", { password, ...options } = {}) {
    const page = await open(path, options);
    await logIn(page, username, password);
    return page;
  }

  /** No script has failed. */
  const quiet = () => assert.deepEqual(troubles.splice(0), []);

  /** What axe-core finds. That its script is no page's own is written down, and is not the page's fault. */
  async function faults(page) {
    quiet();
    const found = await axe(page);
    assert.throws(quiet, /Content Security Policy/);
    return found;
  }

  return { open, visit, quiet, faults, stop: () => browser.close() };
}

/** The dialog that asks whether it is still the same person. */
const confirmation = (page) => page.locator("dialog").filter({ has: page.locator("input[autocomplete=one-time-code]") });

/** Says so. */
export async function confirmNow(page, password = PASSWORD) {
  const dialog = confirmation(page);
  await dialog.locator("input[name=password]").fill(password);
  await dialog.locator("input[name=password]").press("Enter");
  await dialog.waitFor({ state: "detached" });
}

/** Fills the form, whatever its language is. */
export async function logIn(page, username, password = PASSWORD) {
  await page.locator("input[name=username]").fill(username);
  await page.locator("input[name=password]").fill(password);
  await page.locator("input[name=password]").press("Enter");
  await page.locator("schoolbell-chat, .admin").first().waitFor({ state: "attached" });
}

/** What axe-core finds, by rule and place. */
export async function axe(page) {
  await page.addScriptTag({ path: AXE }).catch(async () => page.evaluate((await import("node:fs")).readFileSync(AXE, "utf8")));
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }),
  );
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.flat().join(" ")}: ${node.failureSummary}`));
}

/** How far the page can be moved sideways, in pixels. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
