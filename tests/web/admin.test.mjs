// The dashboard, as an administrator walks it.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { logIn, confirmNow, startPages } from "./pages.mjs";
import { startPushService } from "./push-service.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

let server, service, pages, office;

before(async () => {
  [server, service] = await Promise.all([startServer(), startPushService()]);
  pages = await startPages(server);
});
after(async () => {
  await pages?.stop();
  await server?.stop();
  service?.stop();
});
afterEach(() => pages.quiet());

const button = (page, name) => page.getByRole("button", { name, exact: true });
const heading = (page, name) => page.getByRole("heading", { name, exact: true });

/** An administrator's page, at a view. */
async function visit(view) {
  office ??= await server.person("office", "admin");
  return pages.visit("office", `/admin/#/${view}`);
}

test("from the link of the first start to the first announcement", async () => {
  const page = await pages.open(server.setUp().replace(server.url, ""));
  await page.getByLabel("Your name").fill("Head Office");
  await page.getByLabel("Username").fill("head");
  await page.getByLabel("New password").fill("short");
  await button(page, "Create the administrator").click();
  await page.getByText("This must have at least 10 characters.").waitFor();
  assert.equal(await page.getByLabel("Your name").inputValue(), "Head Office");
  assert.equal(await page.getByLabel("Who may write to whom").inputValue(), "teacher-led");
  await page.getByLabel("New password").fill(PASSWORD);
  await button(page, "Create the administrator").click();
  await heading(page, "Checks").waitFor();
  await page.getByText("The WebSocket gets through.").waitFor();
  await page.getByText("Last made: never.").waitFor();
  assert.ok(!page.url().includes("setup"), "the code is gone from the address");
  // What was chosen holds, and nothing is to be said of it.
  assert.equal(await page.getByText("Everybody may write to everybody").count(), 0);
  await page.goto(`${server.url}/admin/#/policy`);
  assert.ok(await page.getByLabel("Teachers lead", { exact: true }).isChecked());
  await page.goto(`${server.url}/admin/#/checks`);
  await heading(page, "Checks").waitFor();

  // A person comes in, sets a password by a link, and logs in.
  await page.getByRole("link", { name: "People" }).click();
  await button(page, "Add a person").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("Zoé Ångström");
  await dialog.getByLabel("Username").fill("zoe zoe");
  await button(dialog, "Add a person").click();
  await dialog.getByText("This must not contain spaces.").waitFor();
  await dialog.getByLabel("Username").fill("zoe");
  await button(dialog, "Add a person").click();
  await confirmNow(page);
  const link = await page.locator("input[name=secret]").inputValue();
  await page.keyboard.press("Escape");
  const zoe = await pages.open(link.replace(server.url, ""));
  await zoe.getByLabel("New password").fill(PASSWORD);
  await button(zoe, "Set the password and log in").click();
  await zoe.getByText("No conversations yet.").waitFor();

  await page.getByRole("link", { name: "Announcements" }).click();
  await page.getByRole("link", { name: "New announcement" }).click();
  await button(page, "Announce").click();
  await page.getByText("This must not be empty.").first().waitFor();
  await page.getByLabel("Title", { exact: true }).fill("Snow");
  await page.getByLabel("Text", { exact: true }).fill("School is <closed>.");
  await page.getByLabel("Student").check();
  await page.getByText("1 person: Zoé Ångström").waitFor();
  await page.locator(".sample.push").getByText("School is <closed>.").waitFor();
  await button(page, "Announce").click();
  await heading(page, "Snow").waitFor();
  await zoe.getByRole("button", { name: "Notifications, 1 unread" }).click();
  await zoe.locator("schoolbell-bell .note").click();
  // The report follows by itself.
  await page.locator("tr", { hasText: "Zoé" }).locator("[data-stage=read]").waitFor();
});

test("a report: one reads it live, one is pushed to, one is out of reach", async () => {
  const people = {};
  for (const name of ["live", "phone", "nobody"]) people[name] = await server.person(name, "guardian");
  await server.call("POST", "/api/notifications/subscribe", people.phone.token, service.device("phone"));
  const live = await pages.visit("live");
  await live.getByRole("button", { name: "Notifications, 0 unread" }).waitFor();
  const page = await visit("announce");
  await page.getByLabel("Title", { exact: true }).fill("Trip");
  await page.getByLabel("Text", { exact: true }).fill("The bus leaves at eight.");
  await page.getByLabel("Guardian").check();
  await page.getByText("3 people: live, nobody, phone").waitFor();
  await button(page, "Announce").click();
  const stage = (name) => page.locator("tr", { has: page.getByRole("cell", { name, exact: true }) }).locator(".stage");
  await stage("nobody").getByText("Not reachable").waitFor();
  await page.getByText("No device: no page is open, and no browser gets pushes.").waitFor();
  await stage("phone").getByText("Pushed").waitFor();
  assert.equal((await service.next()).json.title, "Trip");
  // A page that is open says within seconds that it has it.
  await stage("live").getByText("Delivered live").waitFor({ timeout: 20_000 });
  await live.getByRole("button", { name: "Notifications, 1 unread" }).click();
  await button(live, "Mark all as read").click();
  await stage("live").getByText("Read").waitFor();

  await page.getByLabel("Show", { exact: true }).selectOption("unread");
  await until("two", async () => (await page.locator("tbody tr").count()) === 2);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download as CSV" }).click();
  const csv = await (await download).createReadStream();
  let file = "";
  for await (const chunk of csv) file += chunk;
  assert.match(file, /nobody,nobody,guardian,nobody,no_device/);

  await button(page, "Remind 2 who have not read it").click();
  await heading(page, "Reminder: Trip").waitFor();
  await page.getByText("2 recipients.").waitFor();
  assert.equal((await service.next()).json.title, "Reminder: Trip");
  await live.getByRole("button", { name: "Notifications, 0 unread" }).waitFor();
});

test("one for later can be taken back", async () => {
  const page = await visit("announce");
  await page.getByLabel("Title", { exact: true }).fill("Later");
  await page.getByLabel("Text", { exact: true }).fill("Text");
  await page.getByLabel("Everybody").check();
  // Enter searches for people; it does not send.
  await page.getByLabel("Except").fill("nobody at all");
  await page.getByLabel("Except").press("Enter");
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 16);
  await page.getByLabel("Send later").fill(tomorrow);
  await button(page, "Announce").click();
  await page.getByText(/^Will be sent/).waitFor();
  await button(page, "Cancel the announcement").click();
  await button(page.getByRole("dialog"), "Cancel the announcement").click();
  await page.getByText(/^Cancelled/).waitFor();
});

test("a file of people: bad lines are told, and what was shown is done", async () => {
  const page = await visit("import");
  const choose = (text, name = "people.csv") =>
    page.getByLabel("CSV file").setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(text) });
  await button(page, "Show what would change").click();
  await page.getByText("Choose a file.").waitFor();
  await choose(Buffer.from("username,name,role\nx,Jos\xe9,student\n", "latin1"));
  await button(page, "Show what would change").click();
  await page.getByText("Line 2 is not in UTF-8.").waitFor();
  await choose("a,b\n1,2\n");
  await button(page, "Show what would change").click();
  await page.getByText("This file cannot be used.").waitFor();

  const rows = Array.from({ length: 400 }, (_, n) => `pupil${n},Pupil ${n},student,Year ${n % 3}`);
  await choose(["username,name,role,groups", ...rows, "pupil1,Twice,student,", "b ad,Bad,student,", "office,Office,student,"].join("\n"));
  await button(page, "Show what would change").click();
  await heading(page, "3 lines cannot be used").waitFor();
  await page.getByText("Line 3 has the same already.").waitFor();
  await page.getByText("New groups: Year 0, Year 1, Year 2").waitFor();
  const before = await server.call("GET", "/api/admin/people?search=pupil", office.token);
  assert.equal(before.length, 0);
  await button(page, "Change 400 people").click();
  await page.getByText("400 added, 0 changed, 0 disabled.").waitFor();
  await page.getByRole("main").getByRole("link", { name: "People", exact: true }).click();
  await page.getByLabel("Group").selectOption({ label: "Year 2" });
  await page.getByRole("button", { name: "Edit: Pupil 101" }).waitFor();
  await page.getByLabel("Search", { exact: true }).fill("pupil 299");
  await until("one", async () => (await page.locator("tbody tr").count()) === 1);
  await page.getByRole("button", { name: "Edit: Pupil 299" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Role").selectOption("teacher");
  await dialog.getByLabel("Year 0").check();
  await button(dialog, "Save").click();
  await page.locator("tr", { hasText: "Pupil 299" }).getByText("Year 0, Year 2").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export", exact: true }).click();
  assert.equal((await download).suggestedFilename(), "people.csv");
});

test("groups, keys, backups and what is written down of it", async () => {
  const page = await visit("groups");
  await button(page, "Create a group").click();
  let dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("Chess");
  await dialog.getByLabel("Kind").selectOption("club");
  await button(dialog, "Save").click();
  await page.getByRole("link", { name: "Chess" }).click();
  await page.getByLabel("Add people").fill("office");
  await button(page, "office").click();
  await button(page, "Add the selected people").click();
  await button(page, "Edit: office").waitFor();
  await page.getByRole("link", { name: "Back to the groups" }).click();
  await page.locator("tr", { hasText: "Chess" }).getByRole("cell", { name: "1", exact: true }).waitFor();

  await page.getByRole("link", { name: "API keys" }).click();
  await button(page, "Create a key").click();
  dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("timetable");
  await dialog.getByLabel("read reports").check();
  await button(dialog, "Create a key").click();
  await confirmNow(page);
  const key = await page.locator("input[name=secret]").inputValue();
  assert.ok((await server.call("GET", "/api/admin/overview", key)).now);
  await page.keyboard.press("Escape");
  await button(page, "Revoke: timetable").click();
  await button(page.getByRole("dialog"), "Revoke").click();
  await page.getByText("Revoked").waitFor();
  await assert.rejects(server.call("GET", "/api/admin/overview", key), /token_invalid/);

  await page.getByRole("link", { name: "Backups" }).click();
  await button(page, "Make a backup").click();
  await page.getByText("The backup is made and checked.").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /^schoolbell-.*\.db$/ }).click();
  const bytes = await (await download).createReadStream();
  for await (const chunk of bytes) {
    assert.equal(chunk.subarray(0, 15).toString(), "SQLite format 3");
    break;
  }

  await page.getByRole("link", { name: "Audit log" }).click();
  const action = page.locator("td:nth-child(3)");
  await until(
    "the log",
    async () =>
      (await action.allTextContents()).slice(0, 5).join() === "Backup downloaded,Backup made,Key revoked,Key created,Members changed",
  );
  await page.getByLabel("Action").selectOption("key.make");
  await until("the filter", async () => (await action.count()) === 1);

  await page.getByRole("link", { name: "Settings" }).click();
  const secret = page.locator("tr", { hasText: "auth.jwt_secret" });
  await secret.getByText('"***"').waitFor();
  await secret.getByText("environment: JWT_SECRET").waitFor();
  await page.getByRole("link", { name: "Push", exact: true }).click();
  await heading(page, "Push services").waitFor();
});

test("figures follow by themselves", async () => {
  const page = await visit("overview");
  const tile = (name) =>
    page
      .locator(".tile", { has: page.locator("dt", { hasText: name }) })
      .first()
      .locator("dd");
  await tile("Online now").waitFor();
  const before = Number(await tile("Messages").textContent());
  const [uma, vic] = [await server.person("uma", "staff"), await server.person("vic")];
  await server.call("POST", "/api/messages", uma.token, { receiverId: vic.id, content: "hello" });
  await until("the message is counted", async () => Number(await tile("Messages").textContent()) === before + 1);
  // So does the chart, a little later.
  await page.locator(".chart canvas").first().waitFor({ timeout: 20_000 });
  await page.getByText("As a table").first().click();
  await page.getByRole("columnheader", { name: "Messages" }).first().waitFor();
  await page.getByLabel("Period").selectOption("days");
  await page.locator(".chart canvas").first().waitFor();
});

test("who is no administrator is led to the messages, and a session that ends is asked for again", async () => {
  await server.person("wim");
  const other = await pages.visit("wim");
  await other.goto(`${server.url}/admin/`);
  await other.getByText("wim, this page is for administrators.").waitFor();

  const page = await visit("audit");
  await heading(page, "Audit log").waitFor();
  const { token } = await server.call("POST", "/api/auth/login", "", { username: "office", password: PASSWORD });
  await server.call("POST", "/api/auth/logout-all", token);
  await page.getByText("Your session has ended.").waitFor();
  await logIn(page, "office");
  await heading(page, "Audit log").waitFor();
});
