// Texts that are scripts, run the other way or have letters of four bytes are shown as texts; and a backup that fails shows.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { startPages } from "./pages.mjs";
import { startServer } from "./server.mjs";
import { until } from "./until.mjs";

const SCRIPT = `<img src=x onerror="window.broken=1"><script>window.broken=1</script>`;
/** Of names and titles; what turns a line around is refused there. */
const NAME = `${SCRIPT} 🦉`;
const HOSTILE = `${SCRIPT} \u{202e}abc\u{202c} 🦉`;
/** A file where the folder should be: no backup can be made. */
const BLOCKED = join(tmpdir(), `schoolbell-blocked-${process.pid}`);

let server, pages, office, pupil, announcement;

before(async () => {
  writeFileSync(BLOCKED, "");
  server = await startServer({ SCHOOLBELL_BACKUP__DIR: BLOCKED });
  pages = await startPages(server);
  office = await server.person("office", "admin");
  pupil = await server.person("pupil");
  const call = (method, path, body) => server.call(method, path, office.token, body);
  await call("PUT", `/api/admin/people/${pupil.id}`, { name: NAME });
  await call("POST", "/api/admin/groups", { name: NAME, kind: "class" });
  await call("POST", "/api/admin/keys", { name: NAME.slice(0, 64), scopes: ["notify"] });
  await server.call("POST", "/api/messages", pupil.token, { receiverId: office.id, content: HOSTILE });
  await server.call("POST", "/api/messages", office.token, { receiverId: pupil.id, content: HOSTILE });
  ({ id: announcement } = await call("POST", "/api/admin/announcements", { title: NAME, message: HOSTILE, audience: { all: true } }));
  await until("the announcement is sent", async () => (await call("GET", `/api/admin/announcements/${announcement}`)).state === "sent");
  await assert.rejects(call("POST", "/api/admin/backups"));
});
after(async () => {
  await pages?.stop();
  await server?.stop();
});
afterEach(() => pages.quiet());

/** The page shows the text, and nothing of it became an element or ran. */
async function isText(page, what) {
  await page.getByText("onerror=", { exact: false }).first().waitFor({ state: "attached" });
  const made = await page.evaluate(() => {
    // Into the elements' own trees too.
    const all = (root) => [...root.querySelectorAll("*")].flatMap((one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);
    return all(document).filter((one) => one.hasAttribute("onerror") || (one.localName === "script" && /broken/.test(one.textContent)))
      .length;
  });
  assert.equal(made, 0, `${what} makes elements of a text`);
  assert.equal(await page.evaluate(() => window.broken), undefined, `${what} runs a text`);
}

test("the chat and the bell show texts as texts", async () => {
  const page = await pages.visit("pupil", `/?chat=${office.id}`);
  await isText(page, "the chat");
  await page.locator("schoolbell-bell").getByRole("button").first().click();
  await isText(page, "the bell");
  await page.context().close();
});

for (const view of ["people", "groups", "keys", "announcements", "audit"]) {
  test(`the dashboard's ${view} show texts as texts`, async () => {
    const page = await pages.visit("office", `/admin/#/${view}`);
    await isText(page, view);
    await page.context().close();
  });
}

test("the report of an announcement shows texts as texts", async () => {
  const page = await pages.visit("office", `/admin/#/announcement/${announcement}`);
  await isText(page, "the report");
  await page.context().close();
});

test("a backup that failed is the first thing that an administrator sees", async () => {
  const page = await pages.visit("office", "/admin/#/overview");
  await page.getByText("The last backup failed").waitFor();
  await page.getByRole("status").getByRole("link", { name: "Backups" }).click();
  await page.getByRole("heading", { name: "Backups", exact: true }).waitFor();
  await page.goto(`${server.url}/admin/#/checks`);
  await page.getByText("The last backup failed").waitFor();
  await page.context().close();
});
