// Front ends in the dialects that schools have, in a page of another origin, with tokens of their own back ends.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { signed, startServer } from "./server.mjs";

let site, server, browser, page, key;

before(async () => {
  const script = readFileSync(new URL("dialects.mjs", import.meta.url));
  site = createServer((request, response) => {
    const isScript = request.url === "/dialects.mjs";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : "<!doctype html><title>An app</title>");
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const origin = `http://localhost:${site.address().port}`;
  server = await startServer({ FRONTEND_URL: origin, SCHOOLBELL_AUTH__AUTO_PROVISION: "true" });
  browser = await startBrowser();
  page = await browser.context.newPage();
  await page.goto(origin);
  key = server.key("app");
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  site?.close();
});

/** Everybody is there, and has something unread. */
beforeEach(async () => {
  await server.call("GET", "/api/auth/me", signed({ userId: "12", name: "Bob" }));
  await server.call("GET", "/api/auth/me", signed({ userId: "7", name: "Ann" }));
  await server.call("PUT", "/api/notifications/mark-all-read", signed({ userId: "7" }));
  for (const title of ["one", "two", "three"]) {
    await server.call("POST", "/api/notifications", key, { userId: "7", type: "x", title, message: "m" });
  }
  await server.call("POST", "/api/messages", signed({ userId: "12" }), { receiverId: "7", content: "to be read" });
});

/** Runs a front end with a token of these claims. */
const run = (dialect, claims) =>
  page.evaluate(
    async ([name, options]) => (await import("/dialects.mjs"))[name](options),
    [dialect, { api: `${server.url}/api`, token: signed(claims), partner: "12" }],
  );

test("slashes at the end, numbered pages and PATCH", async () => {
  const seen = await run("notifications", { id: 7, role: "STUDENT" });
  assert.ok(seen.listed >= 3);
  assert.deepEqual({ ...seen, listed: 3 }, { listed: 3, second: 0, unreadCount: 3, read: true, count: 0 });
});

test("/messages/send with other names and fields that are nothing here", async () => {
  assert.deepEqual(await run("alumni", { _id: "7" }), { sent: "from an alumna", last: "from an alumna", count: 0 });
});

test("numbers for ids", async () => {
  assert.deepEqual(await run("market", { user: { id: 7 } }), { to: "12", partners: ["12"] });
});

test("what is unread alone", async () => {
  assert.deepEqual(await run("unread", { user_id: "7" }), [3, 3, 3]);
});

test("another version, headers of its own, and a role in capitals", async () => {
  assert.deepEqual(await run("platform", { sub: "7", roles: ["wizard", "INSTRUCTOR"] }), { read: true, role: "teacher" });
});
