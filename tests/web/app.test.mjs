// A page built as the school apps are, and pages on schoolbell's own client, in a real browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, test } from "node:test";
import { build, preview } from "vite";
import { startBrowser } from "./browser.mjs";
import { startLink } from "./link.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

const root = fileURLToPath(new URL("app", import.meta.url));
const outDir = mkdtempSync(join(tmpdir(), "schoolbell-app-"));
let app, server, browser, ann, bob, key;

before(async () => {
  await build({ root, build: { outDir, emptyOutDir: true } });
  app = await preview({ root, build: { outDir }, preview: { host: "127.0.0.1", port: 5173 } });
  const origin = new URL(app.resolvedUrls.local[0]).origin;
  [server, browser] = await Promise.all([startServer({ FRONTEND_URL: origin }), startBrowser()]);
  ann = await server.person("ann");
  bob = await server.person("bob");
  key = server.key("app");
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await app?.close();
  rmSync(outDir, { recursive: true });
});

const pages = [];
async function open(url, prepare) {
  const page = await browser.context.newPage();
  pages.push(page);
  await prepare?.(page);
  await page.goto(url);
  return page;
}
// The last page stays: without one the browser ends.
afterEach(() => Promise.all(pages.splice(0, pages.length - 1).map((page) => page.close())));

async function openApp(query = "") {
  const page = await open(`${app.resolvedUrls.local[0]}?api=${encodeURIComponent(server.url)}${query}`);
  await page.fill("[name=username]", "ann");
  await page.fill("[name=password]", PASSWORD);
  await page.click("text=Log in");
  await page.waitForSelector("text=online");
  return page;
}

const notify = (title) =>
  server.call("POST", "/api/notifications", key, { userId: ann.id, type: "grade", title, message: "A", link: "/grades/7" });
const write = (content) => server.call("POST", "/api/messages", bob.token, { receiverId: ann.id, content });

test("an app on React, Vite and socket.io-client logs in, chats and shows a notification", async () => {
  await write("Good morning");
  const page = await openApp();
  await page.click("text=bob (1): Good morning");
  await page.waitForSelector("text=bob: Good morning");
  await page.fill("#text", "Good morning, Bob");
  await page.click("text=Send");
  await page.waitForSelector("text=me: Good morning, Bob");
  const [, answer] = await server.call("GET", `/api/messages/conversation/${ann.id}`, bob.token);
  assert.equal(answer.content, "Good morning, Bob");
  await write("How was the test?");
  await page.waitForSelector("#messages >> text=bob: How was the test?");
  await notify("Your assignment was graded");
  const toast = await page.waitForSelector("#toast");
  assert.equal(await toast.textContent(), "Your assignment was graded: A");
  assert.equal(await toast.getAttribute("href"), "/grades/7");
});

test("the app is online again by itself after a restart, and is told what it missed", async () => {
  const page = await openApp();
  await page.click("text=bob (");
  await server.end("SIGKILL");
  await page.waitForSelector("text=offline");
  await server.start();
  await write("sent before the app was back");
  await page.waitForSelector("#messages >> text=bob: sent before the app was back");
  await page.waitForSelector("text=online");
});

test("the hook keeps notifications and counts, also over a restart", async () => {
  await server.call("PUT", "/api/notifications/mark-all-read", ann.token);
  const { notifications: before } = (await server.call("GET", "/api/auth/me", ann.token)).unread;
  assert.equal(before, 0);
  const { messages } = (await server.call("GET", "/api/auth/me", ann.token)).unread;
  const page = await openApp("&hook");
  const counts = (n, m = messages) => page.waitForSelector(`text="${n} unread, ${m} messages"`);
  await counts(0);
  await notify("first");
  await counts(1);
  await page.waitForSelector("text=first (new)");
  await server.end("SIGKILL");
  await page.waitForSelector("text=offline");
  await server.start();
  await notify("second");
  await page.waitForSelector("text=second (new)");
  // What is replayed is in the counts of the new connection already.
  await counts(2);
  await page.click("#read");
  await page.waitForSelector("text=second (read)");
  await counts(0);
  await write("hello, hook");
  await counts(0, messages + 1);
  await page.click("#answer");
  await until(
    "the answer",
    async () => (await server.call("GET", "/api/messages/conversations", bob.token))[0].lastMessage.content === "seen",
  );
});

test("the example page logs in, writes and shows what comes", async () => {
  const page = await open(`${server.url}/example/`);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.fill("#username", "ann");
  await page.fill("#password", "wrong");
  await page.click("text=Log in");
  await page.waitForSelector("text=The username or the password is wrong.");
  await page.fill("#password", PASSWORD);
  await page.click("text=Log in");
  await page.waitForSelector("text=Connected.");
  await write("<b>hello</b>");
  await page.waitForSelector("text=bob: <b>hello</b>");
  await page.selectOption("#to", bob.id);
  await page.fill("#text", "hello back");
  await page.click("text=Send");
  await page.waitForSelector("text=to bob: hello back");
  assert.deepEqual(errors, []);
});

/** schoolbell.js on a page of another origin, over a network that can be cut. */
async function client(token, prepare) {
  const link = await startLink(server.url);
  const page = await open(app.resolvedUrls.local[0], prepare);
  await page.evaluate(
    async ([url, token]) => {
      const { connect } = await import(`${url}/schoolbell.js`);
      window.log = [];
      window.bell = connect({ url, token });
      window.bell.on("*", (name, data) => window.log.push([name, data]));
    },
    [link.url, token],
  );
  const texts = () => page.evaluate(() => window.log.filter(([name]) => name === "new_message").map(([, m]) => m.content));
  const state = () => page.evaluate(() => window.bell.state);
  await until("open", async () => (await state()) === "open");
  return { page, link, texts, state };
}

test("schoolbell.js comes back after a cut and misses nothing", async () => {
  const { link, texts, state } = await client(ann.token);
  const expected = Array.from({ length: 50 }, (_, n) => `cut ${n}`);
  for (const [n, text] of expected.entries()) {
    await write(text);
    if (n === 10) link.cut();
  }
  await until("connecting", async () => (await state()) === "connecting");
  link.mend();
  await until("all of them", async () => (await texts()).length >= 50, 20);
  await write("after");
  await until("the last", async () => (await texts()).includes("after"));
  assert.deepEqual(await texts(), [...expected, "after"]);
  link.stop();
});

test("schoolbell.js sends what it has to say, and is refused in words", async () => {
  const { page, link } = await client(ann.token);
  const answers = await page.evaluate(async (bob) => {
    const { bell } = window;
    const failed = await bell.messages.send("nobody", "hello").catch((e) => [e.name, e.status, e.code]);
    const sent = await bell.messages.send(bob, "from the client");
    const [newest] = (await bell.messages.with(bob, { limit: 1 })).slice(-1);
    const [{ partner }] = await bell.messages.conversations({ limit: 1 });
    const read = await bell.messages.markRead(bob);
    const found = await bell.messages.search("client");
    const presence = await bell.presence([bob]);
    bell.typing(bob);
    return { failed, same: sent.id === newest.id, partner: partner.name, updated: typeof read.updated, found: found.length, presence };
  }, bob.id);
  assert.deepEqual(answers.failed, ["SchoolbellError", 404, "user_not_found"]);
  assert.deepEqual([answers.same, answers.partner, answers.updated, answers.presence[0].userId], [true, "bob", "number", bob.id]);
  const told = await page.evaluate(() => window.log.some(([name]) => name === "new_message"));
  assert.equal(told, false, "what a page did itself it is not told");
  link.stop();
});

test("schoolbell.js honours the close codes", async () => {
  const dan = await server.person("dan");
  const { page, link, state } = await client(dan.token);
  await server.call("POST", "/api/auth/logout-all", dan.token);
  await until("closed", async () => (await state()) === "closed");
  const last = await page.evaluate(() => window.log.at(-1));
  assert.deepEqual([last[0], last[1].code], ["closed", 4503]);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(await state(), "closed");
  link.stop();
});

test("schoolbell.js gives a silent server up, but asks first, however late its timers come", async () => {
  const { page, link, state } = await client(ann.token, (page) => page.clock.install());
  const closes = () => page.evaluate(() => window.log.filter(([name, data]) => name === "state" && data !== "open").length);
  // A minute in which no timer ran, as in a hidden tab.
  await page.clock.fastForward(60_000);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.deepEqual([await state(), await closes()], ["open", 0]);
  link.stall();
  await page.clock.fastForward(31_000);
  assert.equal(await state(), "open");
  await page.clock.fastForward(11_000);
  await until("the end of its patience", async () => (await closes()) === 1);
  link.stop();
});

test("the typings hold", () => {
  const tsc = fileURLToPath(new URL("node_modules/.bin/tsc", import.meta.url));
  execFileSync(tsc, ["-p", join(root, "tsconfig.json")], { stdio: "inherit" });
});
