// From a file of people to everybody logged in: an import, slips to print, and links that let people in.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { confirmNow, startPages } from "./pages.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

const SCHOOL = new URL("../cases/roster/school-1500-made-up.csv", import.meta.url);
const PEOPLE = 1_500;
// Checking a password takes a core for a while: no more at a time than the server takes turns at.
const AT_A_TIME = 8;

let server, pages;

before(async () => {
  server = await startServer({ SCHOOLBELL_SCHOOL__NAME: "Hill School", SCHOOLBELL_SCHOOL__SHORT_ADDRESS: "bell.hill.example" });
  pages = await startPages(server);
  await server.person("office", "admin");
});
after(async () => {
  await pages?.stop();
  await server?.stop();
});
afterEach(() => pages.quiet());

const button = (page, name) => page.getByRole("button", { name, exact: true });

async function importPeople(page, name, text) {
  await page.getByLabel("CSV file").setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(text) });
  await button(page, "Show what would change").click();
}

test("from a file of 1,500 to slips and to everybody logged in", async () => {
  const page = await pages.visit("office", "/admin/#/import");
  await importPeople(page, "people.csv", readFileSync(SCHOOL));
  await page.getByRole("button", { name: /^Change 1,500 people/ }).click();
  await page.getByText("1,500 added, 0 changed, 0 disabled.").waitFor({ timeout: 60_000 });
  await page.getByRole("main").getByRole("link", { name: "Login links", exact: true }).click();

  // Slips, as the browser prints them.
  await button(page, "Make slips to print").click();
  await confirmNow(page);
  const link = page.getByRole("link", { name: "Open the slips" });
  await link.waitFor({ timeout: 60_000 });
  const opened = page.context().waitForEvent("page");
  await link.click();
  const slips = await opened;
  await slips.waitForLoadState("load");
  assert.equal(await slips.locator("article").count(), PEOPLE);
  assert.equal(await slips.locator("article svg").count(), PEOPLE);
  assert.equal(await slips.getByText("bell.hill.example").count(), PEOPLE);
  const border = await slips
    .locator("article")
    .first()
    .evaluate((slip) => getComputedStyle(slip).borderStyle);
  assert.match(border, /dashed/, "the stylesheet holds for a page that is opened from memory");
  const pdf = await slips.pdf({ preferCSSPageSize: true });
  if (process.env.SLIPS) writeFileSync(process.env.SLIPS, pdf);
  assert.ok(pdf.subarray(0, 5).equals(Buffer.from("%PDF-")));
  const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;
  assert.ok(sheets >= PEOPLE / 12 && sheets <= PEOPLE / 6, `${sheets} sheets`);
  await slips.close();

  // A file of links takes the place of the slips' links; a script uses it.
  await button(page, "Make a CSV file").click();
  const download = page.waitForEvent("download", { timeout: 60_000 });
  await page.getByRole("link", { name: "Download the file" }).click({ timeout: 60_000 });
  const file = readFileSync(await (await download).path(), "utf8").trim();
  const lines = file.split("\n").slice(1);
  assert.equal(lines.length, PEOPLE);
  const codes = lines.map((line) => line.match(/#code=([\w-]+)/)[1]);
  const began = Date.now();
  const failed = [];
  const worker = async () => {
    for (let code = codes.pop(); code; code = codes.pop()) {
      const body = JSON.stringify({ code, password: PASSWORD });
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${server.url}/api/auth/password-link`, { method: "POST", headers, body });
      const { success, data } = await response.json();
      if (!success) failed.push(code);
      else if (!data.token) failed.push(data);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  console.log(`${PEOPLE} people in after ${Math.round((Date.now() - began) / 1_000)} s`);
  assert.deepEqual(failed, []);
  await button(page, "Make slips to print").click();
  await page.getByText("Nobody fits. There are no new links.").waitFor();
});

test("a link shows whose it is, and the username is there for password managers", async () => {
  const head = await server.person("head", "admin");
  const kim = await server.call("POST", "/api/admin/people", head.token, { username: "kim.lee", name: "Kim Lee", role: "student" });
  const { path } = await server.call("POST", `/api/admin/people/${kim.id}/password-link`, head.token);
  const page = await pages.open(path);
  await page.getByText("For Kim Lee").waitFor();
  const username = page.getByLabel("Username");
  assert.equal(await username.inputValue(), "kim.lee");
  assert.equal(await username.getAttribute("autocomplete"), "username");
  await page.getByLabel("New password").fill(PASSWORD);
  await button(page, "Set the password and log in").click();
  await until("logged in", async () => (await page.locator("schoolbell-chat").count()) > 0);
  const again = await pages.open(path);
  await again.getByText("This link was used already, or is too old.").waitFor();
});

test("a class: who leads it, guardians, and what is missing", async () => {
  const head = await server.person("clerk", "admin");
  const call = (method, path, body) => server.call(method, path, head.token, body);
  await call("POST", "/api/admin/groups", { id: "c9", name: "9z", kind: "class" });
  for (const [username, name, role] of [
    ["ida", "Ida Berg", "student"],
    ["tom", "Tom Berg", "guardian"],
    ["tina", "Tina Berg", "guardian"],
    ["tess", "Tess One", "teacher"],
  ]) {
    await call("POST", "/api/admin/people", { id: username, username, name, role, groups: role === "guardian" ? [] : ["c9"] });
  }
  const page = await pages.visit("clerk", "/admin/#/groups");
  await page.getByRole("link", { name: "9z" }).click();
  const leads = page.getByRole("region", { name: "Leads" });
  const members = page.getByRole("region", { name: "Members" });
  await leads.getByText("Tess One").waitFor();
  await members.getByText("no guardian, no password yet").waitFor();

  // A guardian, with what the link says.
  await button(page, "Guardians: Ida Berg").click();
  await page.getByRole("dialog").getByLabel("Add people").fill("tom berg");
  await button(page.getByRole("dialog"), "Tom Berg").click();
  await button(page.getByRole("dialog"), "Add the selected people").click();
  await button(page.getByRole("dialog"), "Edit: Tom Berg").click();
  const link = page.getByRole("dialog").last();
  await link.getByLabel("What they are to the child").fill("father");
  await link.getByLabel("Last day").fill("2040-07-31");
  await link.getByLabel("Locked").check();
  await button(link, "Save").click();
  await page.getByText("father · until 2040-07-31 · locked").waitFor();
  const { guardians } = await call("GET", "/api/admin/people/ida/guardians");
  assert.deepEqual([guardians[0].kind, guardians[0].locked, guardians[0].until], ["father", true, "2040-07-31"]);
  // A second one leaves the first as it is.
  await page.getByRole("dialog").getByLabel("Add people").fill("tina berg");
  await button(page.getByRole("dialog"), "Tina Berg").click();
  await button(page.getByRole("dialog"), "Add the selected people").click();
  await button(page.getByRole("dialog"), "Edit: Tina Berg").waitFor();
  assert.equal((await call("GET", "/api/admin/people/ida/guardians")).guardians.length, 2);
  await page.keyboard.press("Escape");

  // A helper does not lead, and a membership ends.
  await button(page, "Edit: Tess One").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Leads the group").uncheck();
  await dialog.getByLabel("First day").fill("2030-01-02");
  await dialog.getByLabel("Last day").fill("2030-01-01");
  await button(dialog, "Save").click();
  await dialog.getByText("Must not be before the first day.").waitFor();
  await dialog.getByLabel("Last day").fill("2031-01-01");
  await button(dialog, "Save").click();
  await members.getByText("from 2030-01-02 · until 2031-01-01").waitFor();

  // Facts of a person.
  await page.goto(`${server.url}/admin/#/people`);
  await page.getByLabel("Search", { exact: true }).fill("ida");
  await button(page, "Edit: Ida Berg").click();
  const person = page.getByRole("dialog");
  await person.getByLabel("Grade").fill("14");
  await button(person, "Save").click();
  await person.getByText("Must be PK, KG or 01 to 13.").waitFor();
  await person.getByLabel("Grade").fill("9");
  await person.getByLabel("Telephone numbers").fill("112\n+49 30 1");
  await button(person, "Save").click();
  await until("saved", async () => (await call("GET", "/api/admin/people/ida")).grade === "09");
  assert.deepEqual((await call("GET", "/api/admin/people/ida")).phones, ["112", "+49 30 1"]);
});

test("another program's file is mapped once", async () => {
  await server.person("rector", "admin");
  const page = await pages.visit("rector", "/admin/#/import");
  const file = "Login ID,Forename,Surname,Homeroom,Locker\nzoe.k,Zoe,Kay,7q,12\n";
  await importPeople(page, "export.csv", file);
  await page.getByRole("heading", { name: "What are these columns?" }).waitFor();
  assert.equal(await page.getByLabel("Forename").inputValue(), "givenName", "known by its name");
  assert.equal(await page.getByLabel("Homeroom").inputValue(), "groups");
  await page.getByText("For example: 12").waitFor();
  await page.getByLabel("Everybody in this file is").selectOption("student");
  await button(page, "Use these columns").click();
  await page.getByText("New groups: 7q").waitFor();
  await page.getByText("Columns that are not used: Locker").waitFor();
  await button(page, "Change 1 person").click();
  await page.getByText("1 added, 0 changed, 0 disabled.").waitFor();
  // The next file of the kind needs no more words.
  await page.getByRole("main").getByRole("link", { name: "People", exact: true }).click();
  await page.getByRole("main").getByRole("link", { name: "Import", exact: true }).click();
  await page.getByText("Template for a file of your own").waitFor();
  await importPeople(page, "export.csv", `${file}max.b,Max,Bo,7q,13\n`);
  await page.getByText("The columns were read as they were chosen the last time.").waitFor();
  await button(page, "Change 1 person").waitFor();
});

test("the school's name is set on the dashboard, unless the configuration has it", async () => {
  await server.person("principal", "admin");
  const page = await pages.visit("principal", "/admin/#/settings");
  const name = page.getByLabel("Name", { exact: true });
  // This server's configuration has name and address.
  assert.equal(await name.inputValue(), "Hill School");
  assert.equal(await name.getAttribute("readonly"), "");
  await page.getByLabel("Time zone").fill("Nowhere/Atall");
  await button(page, "Save").click();
  await page
    .getByText("This is not a time zone")
    .or(page.getByText(/time zone/i))
    .first()
    .waitFor();
  await page.getByLabel("Time zone").fill("Pacific/Auckland");
  await button(page, "Save").click();
  await page.locator("tr", { hasText: "school.time_zone" }).getByText("set here").waitFor();
});

test("where somebody is logged in is shown, and a login that is not theirs is ended", async () => {
  await server.person("greta");
  const agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1";
  const login = await fetch(`${server.url}/api/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json", "user-agent": agent },
    body: JSON.stringify({ username: "greta", password: PASSWORD }),
  });
  const { token } = (await login.json()).data;
  const page = await pages.visit("greta", "/#settings");
  const rows = page.getByRole("heading", { name: "Where you are logged in" }).locator("..").getByRole("listitem");
  await rows.filter({ hasText: "This device" }).waitFor();
  await page.getByText("Username: greta").waitFor();
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT, fullPage: true });
  await rows.filter({ hasText: "Safari on iPhone" }).getByRole("button").click();
  await page.getByText("It is logged out.").waitFor();
  assert.equal(await rows.filter({ hasText: "Safari on iPhone" }).count(), 0);
  const me = await fetch(`${server.url}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(me.status, 401);
});

/** The code of an authenticator app now (RFC 6238). */
function codeOf(secret) {
  const bits = [...secret.replaceAll(" ", "")]
    .map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac("sha1", key).update(step).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test("what a stranger must not do is confirmed, and a second factor is set up and asked for", async () => {
  await server.person("registrar", "admin");
  const page = await pages.visit("registrar", "/#settings");
  const card = page.getByRole("heading", { name: "Second factor" }).locator("..");
  await button(card, "Set up").click();
  const confirmation = page.getByRole("dialog", { name: "Is it still you?" });
  await confirmation.getByLabel("Password").fill("something else");
  await button(confirmation, "Confirm").click();
  await confirmation.getByText("is wrong").or(confirmation.getByText("wrong")).first().waitFor();
  await confirmation.getByLabel("Password").fill(PASSWORD);
  await button(confirmation, "Confirm").click();
  await card.getByRole("img", { name: "QR code" }).waitFor();
  const secret = await card.locator("code").textContent();
  if (process.env.SHOT) await card.screenshot({ path: process.env.SHOT });
  await card.getByLabel("Code of the app").fill(codeOf(secret));
  await button(card, "Turn on").click();
  const codes = page.getByRole("dialog", { name: "Recovery codes" });
  const [recovery] = (await codes.locator("pre").textContent()).split("\n");
  assert.match(recovery, /^[a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4}$/);
  await codes.getByRole("button", { name: "Close" }).last().click();
  await card.getByText("Recovery codes left: 10").waitFor();

  const again = await pages.open("/admin/#/backups");
  await again.locator("input[name=username]").fill("registrar");
  await again.locator("input[name=password]").fill(PASSWORD);
  await button(again, "Log in").click();
  await again.getByLabel("Code", { exact: true }).fill(recovery);
  await button(again, "Log in").click();
  await button(again, "Make a backup").click();
  const file = again.getByRole("link", { name: /\.db/ }).first();
  await file.click();
  const dialog = again.getByRole("dialog", { name: "Is it still you?" });
  await dialog.getByLabel("Password").fill(PASSWORD);
  const download = again.waitForEvent("download");
  await button(dialog, "Confirm").click();
  assert.equal(await (await download).failure(), null);
});

test("a pupil who is of age says which guardians may go on", async () => {
  const office = await server.person("secretary", "admin");
  const pupil = await server.person("olga");
  const call = (method, path, body) => server.call(method, path, office.token, body);
  await call("POST", "/api/admin/people", { id: "oma", username: "oma", name: "Oma Berg", role: "guardian" });
  await call("PUT", `/api/admin/people/${pupil.id}/guardians`, { guardians: [{ id: "oma", kind: "grandmother" }] });
  const page = await pages.visit("olga", "/#settings");
  const card = page.getByRole("heading", { name: "Your guardians" });
  await page.getByRole("heading", { name: "Second factor" }).waitFor();
  assert.equal(await card.isVisible(), false);
  await call("PUT", `/api/admin/people/${pupil.id}`, { adultFrom: "2020-01-01" });
  await page.reload();
  await card.waitFor();
  await page.getByLabel("Oma Berg (grandmother)").click();
  await page.getByText("Saved.").waitFor();
  assert.equal((await call("GET", `/api/admin/people/${pupil.id}/guardians`)).guardians[0].agreed, true);
  assert.equal(await page.getByLabel("Oma Berg (grandmother)").isChecked(), true);
});
