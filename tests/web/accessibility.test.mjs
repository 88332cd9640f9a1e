// Every page, at two widths, in light and dark: what axe-core finds, whether it fits, what it weighs, whom it asks.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, overflow, startPages } from "./pages.mjs";
import { startPushService } from "./push-service.mjs";
import { startServer } from "./server.mjs";
import { until } from "./until.mjs";

const WIDTHS = [360, 1_280];
const VIEWS = [
  "overview",
  "announcements",
  "announce",
  "people",
  "import",
  "links",
  "groups",
  "policy",
  "keys",
  "push",
  "mail",
  "audit",
  "backups",
  "settings",
  "checks",
];
const LONG = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh the Younger of Llanfairpwllgwyngyll";

let server, service, pages, office, pupil, announcement, passwordLink, group;

before(async () => {
  [server, service] = await Promise.all([
    startServer({
      // Nobody answers there: the page says so.
      SCHOOLBELL_MAIL__URL: "smtp://127.0.0.1:1?tls=opportunistic",
      SCHOOLBELL_MAIL__FROM: "bell@school.example",
      SCHOOLBELL_SERVER__PUBLIC_URL: "http://bell.school.example",
    }),
    startPushService(),
  ]);
  pages = await startPages(server);
  office = await server.person("office", "admin");
  pupil = await server.person("pupil");
  const call = (method, path, body) => server.call(method, path, office.token, body);
  ({ id: group } = await call("POST", "/api/admin/groups", { name: LONG, kind: "class" }));
  await call("PUT", `/api/admin/groups/${group}/members`, { add: [pupil.id, office.id] });
  const long = { username: "long", name: LONG, role: "guardian", email: `${"x".repeat(60)}@school.example` };
  const { id: longId } = await call("POST", "/api/admin/people", long);
  ({ path: passwordLink } = await call("POST", `/api/admin/people/${longId}/password-link`));
  await call("POST", "/api/admin/keys", { name: LONG.slice(0, 64), scopes: ["notify", "roster", "read"] });
  await call("POST", "/api/admin/backups");
  await server.call("POST", "/api/notifications/subscribe", pupil.token, service.device("phone"));
  for (let n = 0; n < 30; n += 1) {
    const [from, to] = n % 3 ? [office, pupil] : [pupil, office];
    await server.call("POST", "/api/messages", from.token, {
      receiverId: to.id,
      content: n % 5 ? `Message ${n}` : LONG.repeat(3).replaceAll(" ", ""),
    });
  }
  ({ id: announcement } = await call("POST", "/api/admin/announcements", {
    title: `${LONG} ${LONG}`,
    message: LONG.repeat(4),
    audience: { all: true },
  }));
  await until("the announcement is sent", async () => (await call("GET", `/api/admin/announcements/${announcement}`)).state === "sent");
});
after(async () => {
  await pages?.stop();
  await server?.stop();
  service?.stop();
});

/** Looks at what the page shows now. */
async function look(page, what) {
  assert.deepEqual(await axe(page), [], what);
  assert.ok((await overflow(page)) <= 0, `${what} is wider than its window`);
}

for (const width of WIDTHS) {
  for (const dark of [false, true]) {
    const options = { width, height: 800, dark };
    const how = `${width} pixels, ${dark ? "dark" : "light"}`;

    test(`the people's page: ${how}`, async () => {
      const page = await pages.visit("office", "/", options);
      await page.locator("schoolbell-chat .talk").first().waitFor();
      await look(page, "conversations");
      await page.locator("schoolbell-chat .talk").first().click();
      await page.locator("schoolbell-chat .message").first().waitFor();
      await look(page, "a conversation");
      await page.getByRole("button", { name: /^Notifications/ }).click();
      await page.locator("schoolbell-bell .note").first().waitFor();
      const { x, width: wide } = await page.locator("schoolbell-bell .panel").boundingBox();
      assert.ok(x >= 0 && x + wide <= width, `the bell's panel is at ${x} and ${wide} wide`);
      await look(page, "the bell");
      await page.goto(`${server.url}/#settings`);
      await page.getByLabel("Quiet hours").waitFor();
      await look(page, "settings");
      await page.goto(`${server.url}/embed/`);
      await page.locator("schoolbell-chat .talk").first().waitFor();
      await look(page, "elements");
      await page.context().close();
    });

    test(`logging in and passwords: ${how}`, async () => {
      for (const [path, name] of [
        ["/", "Log in"],
        ["/admin/", "Log in"],
        [passwordLink, "Set the password and log in"],
        ["/admin/#setup=x", "Create the administrator"],
      ]) {
        const page = await pages.open(path, options);
        await page.getByRole("button", { name }).waitFor();
        await look(page, path);
        await page.getByRole("button", { name }).click();
        await page.locator(".error:not(:empty)").first().waitFor();
        await look(page, `${path} with an error`);
        await page.context().close();
      }
      const page = await pages.open("/password/#code=x", options);
      await page.getByText("This link was used already, or is too old.").waitFor();
      await look(page, "a link that is used");
      await page.context().close();
    });

    test(`the dashboard: ${how}`, async () => {
      const page = await pages.visit("office", "/admin/", options);
      for (const view of [...VIEWS, `announcement/${announcement}`, `group/${group}`]) {
        await page.goto(`${server.url}/admin/#/${view}`);
        await until(view, () =>
          page.evaluate((wanted) => document.title !== "" && location.hash === wanted && !!document.querySelector("main h1"), `#/${view}`),
        );
        await page.waitForTimeout(300);
        await look(page, view);
      }
      await page.goto(`${server.url}/admin/#/people`);
      await page.getByRole("button", { name: `Edit: ${LONG}` }).click();
      await page.getByRole("dialog").waitFor();
      await look(page, "a dialog");
      await page.getByRole("button", { name: "Children" }).click();
      await page.getByText("No children yet.").waitFor();
      await look(page, "the children of a guardian");
      await page.context().close();
    });
  }
}

test("from right to left", async () => {
  for (const width of WIDTHS) {
    const page = await pages.visit("office", "/", { width, locale: "ar" });
    assert.equal(await page.evaluate(() => document.documentElement.dir), "rtl");
    await page.locator("schoolbell-chat .talk").first().click();
    await page.locator("schoolbell-chat .message").first().waitFor();
    await look(page, "chat");
    for (const view of ["overview", "people", `announcement/${announcement}`]) {
      await page.goto(`${server.url}/admin/#/${view}`);
      await page.locator("main h1").waitFor();
      await page.waitForTimeout(300);
      await look(page, view);
    }
    await page.context().close();
  }
});

test("the first load of each page is under 100 KB, and asks nobody else", async () => {
  const views = ["/", "/embed/", "/password/", ...VIEWS.map((view) => `/admin/#/${view}`), `/admin/#/announcement/${announcement}`];
  for (const path of views) {
    const page = await pages.visit("office", "/");
    const { context } = { context: page.context() };
    await page.close();
    const fresh = await context.newPage();
    const session = await context.newCDPSession(fresh);
    await session.send("Network.enable");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    let bytes = 0;
    const hosts = new Set();
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    session.on("Network.requestWillBeSent", ({ request }) => {
      const { protocol, host } = new URL(request.url);
      // A browser's own controls have pictures of theirs.
      if (/^(http|ws)s?:$/.test(protocol)) hosts.add(host);
    });
    await fresh.goto(server.url + path);
    await fresh.waitForTimeout(700);
    assert.ok(bytes > 2_000 && bytes < 100_000, `${path}: ${bytes}`);
    assert.deepEqual([...hosts], [new URL(server.url).host], path);
    await context.close();
  }
});
