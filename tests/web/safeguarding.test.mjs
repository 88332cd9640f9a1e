// Reporting and taking back in the chat, and what the safeguarding leads do on their page.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";
import { io } from "socket.io-client";
import { confirmNow, overflow, startPages } from "./pages.mjs";
import { startServer } from "./server.mjs";

let server, pages, lea;

before(async () => {
  server = await startServer({ SCHOOLBELL_SAFEGUARDING__NOTICE__TEXT: "In an emergency call 112." });
  pages = await startPages(server);
  await server.person("office", "admin");
  lea = await server.person("lea", "staff");
  await server.person("max", "teacher");
});
after(async () => {
  await pages?.stop();
  await server?.stop();
});
afterEach(() => pages.quiet());

const button = (page, name) => page.getByRole("button", { name, exact: true });
const link = (page, name) => page.getByRole("link", { name, exact: true });
const said = (page, text) => page.locator("schoolbell-chat .message").getByText(text, { exact: true });

/** The files of a zip, by name: stored or deflated (APPNOTE 6.3.10 section 4.3). */
function unzip(bytes) {
  const files = {};
  let at = bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  const count = bytes.readUInt16LE(at + 10);
  at = bytes.readUInt32LE(at + 16);
  for (let n = 0; n < count; n += 1) {
    const [method, size, name, extra, comment] = [at + 10, at + 20, at + 28, at + 30, at + 32].map((place, index) =>
      index === 1 ? bytes.readUInt32LE(place) : bytes.readUInt16LE(place),
    );
    const local = bytes.readUInt32LE(at + 42);
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const packed = bytes.subarray(from, from + size);
    files[bytes.toString("utf8", at + 46, at + 46 + name)] = method ? inflateRawSync(packed) : packed;
    at += 46 + name + extra + comment;
  }
  return files;
}

const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** Makes somebody a lead on the dashboard, as an administrator does. */
async function makeLead(page, name) {
  await page.goto(`${server.url}/admin/#/people`);
  await page.getByLabel("Search").fill(name);
  await button(page, `Edit: ${name}`).click();
  await page.getByLabel("Safeguarding lead").check();
  await button(page, "Save").click();
}

test("a pupil reports a message, a lead works on it, and the export proves itself", async () => {
  const dashboard = await pages.visit("office", "/admin/");
  await makeLead(dashboard, "lea");
  await confirmNow(dashboard);
  await dashboard.getByText("Saved.").waitFor();
  await makeLead(dashboard, "max");
  await dashboard.getByText("Saved.").waitFor();

  // The second is confirmed by the first.
  const lead = await pages.visit("lea", "/safeguarding/");
  await lead.getByText("Nothing was reported.").waitFor();
  await link(lead, "Leads").click();
  await button(lead, "Confirm: max").click();
  await lead.getByRole("dialog").getByRole("button", { name: "Confirm", exact: true }).click();
  await lead.getByText("To be confirmed").waitFor({ state: "detached" });

  const [ann, bob] = [await server.person("ann"), await server.person("bob")];
  const send = (from, to, content) => server.call("POST", "/api/messages", from.token, { receiverId: to.id, content });
  await send(bob, ann, "You look stupid today");
  const pupil = await pages.visit("ann", `/?chat=${bob.id}`);
  await said(pupil, "You look stupid today").waitFor();
  assert.deepEqual(await pages.faults(pupil), []);
  // By keyboard alone.
  const menu = pupil.locator(".message-menu summary").first();
  await menu.focus();
  await pupil.keyboard.press("Enter");
  await button(pupil, "Report…").focus();
  await pupil.keyboard.press("Enter");
  await pupil.getByText("Your report goes to", { exact: false }).waitFor();
  assert.deepEqual(await pages.faults(pupil), []);
  await pupil.getByLabel("Somebody is in danger").check();
  await pupil.getByText("call the emergency number", { exact: false }).waitFor();
  await pupil.getByLabel("Bullying").check();
  await pupil.getByLabel("What should they know? (optional)").fill("Each day");
  await button(pupil, "Send the report").click();
  await pupil.getByText("Reported. A safeguarding lead will look at it.").waitFor();

  // The lead is told, opens it, takes it up and closes it.
  await link(lead, "Reports").click();
  await link(lead, "Open: ann and bob").click();
  await lead.getByRole("heading", { name: "ann reported a message from the conversation with bob" }).waitFor();
  await lead.getByText("You look stupid today").waitFor();
  await lead.getByText("Each day").waitFor();
  assert.deepEqual(await pages.faults(lead), []);
  await lead.getByLabel("Notes for the leads").fill("Called home");
  await button(lead, "Take it up").click();
  await lead.getByText("Taken up · lea", { exact: false }).waitFor();
  await lead.getByLabel("What came of it").fill("They talked");
  await button(lead, "Close").click();
  await button(lead, "Open again").waitFor();

  // What is exported can be checked without us.
  const [download] = await Promise.all([lead.waitForEvent("download"), link(lead, "Export").click()]);
  const files = unzip(readFileSync(await download.path()));
  const sums = files.SHA256SUMS.toString().trim().split("\n");
  assert.equal(sums.length, 3);
  for (const line of sums) {
    const [sum, name] = line.split("  ");
    assert.equal(sha256(files[name]), sum, name);
  }
  const exported = JSON.parse(files["report.json"]);
  assert.equal(exported.report.outcome, "They talked");
  const netstring = (text) => `${Buffer.byteLength(text)}:${text},`;
  let texts = 0;
  let chained = 0;
  for (const [at, line] of exported.audit.entries()) {
    if (line.text !== null) {
      texts += 1;
      assert.ok(line.detail.endsWith(`sha256 ${sha256(Buffer.from(line.salt, "hex"), line.text)}`), line.detail);
    }
    chained += 1;
    // Where the line before is in the archive, it is that one's.
    const before = exported.audit[at - 1];
    if (before?.line === line.line - 1) assert.equal(line.previous, before.hash);
    const parts = [line.previous, line.line, Date.parse(line.at), line.actor, line.address ?? "", line.action, line.target, line.detail];
    assert.equal(sha256(parts.map((part) => netstring(String(part))).join("")), line.hash);
  }
  assert.ok(texts >= 2 && chained >= 2, `${texts} ${chained}`);
  const folder = mkdtempSync(join(tmpdir(), "schoolbell-export-"));
  const file = join(folder, "report.html");
  writeFileSync(file, files["report.html"]);
  const browser = await pages.open("/privacy/");
  await browser.goto(pathToFileURL(file).href);
  await browser.getByText("You look stupid today").waitFor();
  await browser.getByText("They talked").first().waitFor();
  rmSync(folder, { recursive: true });
});

test("what a pupil takes back is gone on every page and socket, and keeps its place", async () => {
  const [cia, dan] = [await server.person("cia"), await server.person("dan")];
  const socket = io(server.url, { auth: { token: dan.token }, transports: ["websocket"] });
  await new Promise((resolve) => socket.once("connected", resolve));
  const removed = new Promise((resolve) => socket.once("message_removed", resolve));
  const [page, other] = [await pages.visit("cia", `/?chat=${dan.id}`), await pages.visit("dan", `/?chat=${cia.id}`)];
  const sent = await server.call("POST", "/api/messages", cia.token, { receiverId: dan.id, content: "Wrong chat" });
  await said(other, "Wrong chat").waitFor();
  await page.locator(".message.own .message-menu summary").click();
  await button(page, "Take back").click();
  for (const one of [page, other]) {
    await said(one, "This message was taken back.").waitFor();
    assert.equal(await said(one, "Wrong chat").count(), 0);
    await one.locator("schoolbell-chat .talk").getByText("This message was taken back.", { exact: false }).waitFor();
  }
  const event = await removed;
  assert.equal(event.id, sent.id);
  assert.equal(event.by, "sender");
  socket.close();
  await other.reload();
  await said(other, "This message was taken back.").waitFor();
  assert.deepEqual(await pages.faults(other), []);
});

test("two keys open a conversation, holds and orders are made, and the log has it all", async () => {
  const [eva, fin] = [await server.person("eva"), await server.person("fin")];
  // Of two days, more than one part each.
  const folder = mkdtempSync(join(tmpdir(), "schoolbell-old-"));
  const file = join(folder, "old.ndjson");
  const old = Array.from({ length: 80 }, (_, n) => ({
    record: "message",
    id: `old-${n}`,
    senderId: eva.id,
    receiverId: fin.id,
    content: `line ${n}`,
    createdAt: `2025-03-0${n < 40 ? 1 : 2}T10:00:${String(n % 40).padStart(2, "0")}Z`,
    readAt: null,
  }));
  writeFileSync(file, old.map((line) => `${JSON.stringify(line)}\n`).join(""));
  await server.end();
  server.run("import", file);
  await server.start();
  rmSync(folder, { recursive: true });
  const lead = await pages.visit("lea", "/safeguarding/#/reviews");
  const choose = async (label, name) => {
    const box = lead.getByRole("dialog").getByLabel(label, { exact: true });
    await box.fill(name);
    await lead.getByRole("dialog").getByRole("button", { name, exact: true }).click();
  };
  const dialog = lead.getByRole("dialog");
  await button(lead, "Ask to read a conversation").click();
  await choose("The two people", "eva");
  await choose("The two people", "fin");
  await dialog.getByLabel("Why").fill("A teacher worries");
  assert.deepEqual(await pages.faults(lead), []);
  await dialog.getByRole("button", { name: "Ask to read a conversation" }).click();
  await lead.getByText("Waits for approval").waitFor();

  const second = await pages.visit("max", "/safeguarding/#/reviews");
  await button(second, "Approve: eva and fin").click();
  await second.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await second.getByText("Can be read until", { exact: false }).waitFor();
  assert.equal(await link(second, "Read").count(), 0);
  await lead.reload();
  await link(lead, "Read").click();
  for (const line of ["line 79", "line 40"]) await lead.getByText(line, { exact: true }).waitFor();
  assert.equal(await lead.getByText("line 39", { exact: true }).count(), 0);
  await button(lead, "Read the day before").click();
  for (const line of ["line 39", "line 0"]) await lead.getByText(line, { exact: true }).waitFor();
  assert.equal(await button(lead, "Read the day before").isVisible(), false);

  await link(lead, "Holds").click();
  await button(lead, "Hold").click();
  await choose("One person: all that is theirs. Two people: their conversation.", "eva");
  await dialog.getByLabel("Why").fill("The police ask");
  await dialog.getByRole("button", { name: "Hold", exact: true }).click();
  await button(lead, "End the hold: eva").waitFor();

  await link(lead, "No contact").click();
  await button(lead, "Make an order").click();
  await choose("Whom it protects or keeps away", "eva");
  await choose("From whom", "fin");
  await dialog.getByLabel("Why").fill("A court has said so");
  await dialog.getByRole("button", { name: "Make an order", exact: true }).click();
  await button(lead, "Take it back: eva and fin").waitFor();
  assert.deepEqual(await pages.faults(lead), []);
  const refused = await fetch(`${server.url}/api/messages`, {
    method: "POST",
    headers: { authorization: `Bearer ${eva.token}`, "content-type": "application/json" },
    body: JSON.stringify({ receiverId: fin.id, content: "again" }),
  });
  assert.equal(refused.status, 403);

  await link(lead, "Log").click();
  for (const reason of ["A court has said so", "The police ask", "A teacher worries"]) await lead.getByText(reason).waitFor();
});

test("administrators approve and see no reasons, and everybody else is told whom the page is for", async () => {
  const page = await pages.visit("office", "/safeguarding/");
  await page.getByRole("heading", { name: "Reviews" }).waitFor();
  assert.equal(await link(page, "Reports").count(), 0);
  assert.equal(await page.getByText("A teacher worries").count(), 0);
  await server.person("gil");
  const other = await pages.open("/safeguarding/");
  await other.locator("input[name=username]").fill("gil");
  await other.locator("input[name=password]").fill("blue heron on a kettle");
  await other.locator("input[name=password]").press("Enter");
  await other.getByText("gil, this page is for safeguarding leads.").waitFor();
});

test("the notice stands above a chat with a lead, and the pages speak several languages and fit a phone", async () => {
  await server.person("hal");
  const page = await pages.visit("hal", `/?chat=${lea.id}`);
  await page.locator("schoolbell-chat .notice").getByText("In an emergency call 112.").waitFor();
  for (const [locale, word, dark] of [
    ["de", "Meldungen", false],
    ["ar", "البلاغات", true],
  ]) {
    const lead = await pages.visit("lea", "/safeguarding/", { locale, dark, width: 375, height: 740 });
    await lead.getByText(word).first().waitFor({ state: "attached" });
    assert.ok((await overflow(lead)) <= 0);
    assert.deepEqual(await pages.faults(lead), []);
    const who = await pages.open("/privacy/", { locale, dark, width: 375 });
    await who.locator("h1").waitFor();
    assert.ok((await overflow(who)) <= 0);
    assert.deepEqual(await pages.faults(who), []);
  }
});
