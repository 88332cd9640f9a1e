// The elements in a school's own app: another origin, a strict policy, a token of that app.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { startPages } from "./pages.mjs";
import { signed, startServer } from "./server.mjs";
import { until } from "./until.mjs";

let app, server, pages, origin;
let html = "";

before(async () => {
  app = createServer((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    // Nothing in line, and nobody but schoolbell.
    const live = server.url.replace("http", "ws");
    response.setHeader("content-security-policy", `default-src 'self'; script-src 'self' ${server.url}; connect-src ${server.url} ${live}`);
    response.end(html);
  });
  await new Promise((resolve) => app.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${app.address().port}`;
  server = await startServer({ FRONTEND_URL: origin, SCHOOLBELL_AUTH__AUTO_PROVISION: "true" });
  pages = await startPages(server);
});
after(async () => {
  await pages?.stop();
  await server?.stop();
  app?.close();
});

async function open(body) {
  html = `<!doctype html><html lang="en"><title>App</title><body>${body}<script type="module" src="${server.url}/elements.js"></script>`;
  const page = await pages.open("/");
  await page.goto(origin);
  return page;
}

test("two lines of HTML and a token", async () => {
  const token = signed("pupil-7", "Lena");
  const teacher = signed("teacher-1", "Mr. Okafor");
  // Both are known from their first request on.
  await server.call("GET", "/api/auth/me", token);
  await server.call("POST", "/api/messages", teacher, { receiverId: "pupil-7", content: "Well done!" });
  const page = await open(`<schoolbell-bell token="${token}"></schoolbell-bell><schoolbell-chat token="${token}"></schoolbell-chat>`);
  await page.locator("schoolbell-chat .talk").getByText("Mr. Okafor").click();
  await page.locator("schoolbell-chat .message").getByText("Well done!").waitFor();
  await page.getByLabel("Write a message").fill("Thank you!");
  await page.keyboard.press("Enter");
  await until("the answer", async () => (await server.call("GET", "/api/messages/unread-count", teacher)).count === 1);
  const key = await server.key("app");
  await server.call("POST", "/api/notifications", key, {
    userId: "pupil-7",
    type: "grade",
    title: "Graded",
    message: "A",
    link: "/grades",
  });
  await page.getByRole("button", { name: "Notifications, 1 unread" }).click();
  // The app leads there in its own way.
  await page.evaluate(() =>
    document.addEventListener("schoolbell-open", (event) => {
      event.preventDefault();
      document.title = event.detail.link;
    }),
  );
  await page.locator("schoolbell-bell .note").click();
  await until("the app is told", async () => (await page.title()) === "/grades");
  assert.match(await server.metrics(), /schoolbell_connections\{transport="ws"\} 1\b/, "both share one connection");
  await page.evaluate(() => document.querySelectorAll("schoolbell-bell, schoolbell-chat").forEach((one) => one.remove()));
  await until("it is closed with the last of them", async () =>
    /schoolbell_connections\{transport="ws"\} 0\b/.test(await server.metrics()),
  );
  pages.quiet();
});

test("colours are the app's", async () => {
  const token = signed("pupil-7", "Lena");
  const page = await open(`<schoolbell-bell token="${token}"></schoolbell-bell>`);
  await page.locator("schoolbell-bell .ring").waitFor();
  await page.evaluate(() => document.querySelector("schoolbell-bell").style.setProperty("--schoolbell-accent", "rgb(122, 31, 92)"));
  const colour = await page.locator("schoolbell-bell .badge").evaluate((one) => getComputedStyle(one).backgroundColor);
  assert.equal(colour, "rgb(122, 31, 92)");
  pages.quiet();
});

test("a token that does not hold is said", async () => {
  const page = await open(`<schoolbell-chat token="x.y.z"></schoolbell-chat>`);
  await page.getByText("The connection has ended.").waitFor();
});
