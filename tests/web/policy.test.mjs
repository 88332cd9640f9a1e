// Who may write to whom, as an administrator sets it and as people meet it in the chat.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { startPages } from "./pages.mjs";
import { startServer } from "./server.mjs";

let server, pages, office;

before(async () => {
  server = await startServer();
  pages = await startPages(server);
  office = await server.person("office", "admin");
});
after(async () => {
  await pages?.stop();
  await server?.stop();
});
afterEach(() => pages.quiet());

const button = (page, name) => page.getByRole("button", { name, exact: true });
const text = (page) => page.getByLabel("Write a message");

/** Sets the policy as a program does. */
async function set(policy) {
  const headers = { authorization: `Bearer ${office.token}`, "content-type": "application/json" };
  const read = await fetch(`${server.url}/api/admin/policy`, { headers });
  const version = read.headers.get("etag");
  const answer = await fetch(`${server.url}/api/admin/policy`, {
    method: "PUT",
    headers: { ...headers, "if-match": version },
    body: JSON.stringify(policy),
  });
  assert.equal(answer.status, 200, await answer.text());
}

test("a conversation that may only be read says why, and one that can be answered opens", async () => {
  const [tea, kim] = [await server.person("tea", "teacher"), await server.person("kim")];
  await server.call("POST", "/api/admin/groups", office.token, { id: "7a", name: "7a", kind: "class" });
  await server.call("PUT", "/api/admin/groups/7a/members", office.token, { add: [tea.id, kim.id] });
  await set({ preset: "teacher-led" });
  const page = await pages.visit("kim", `/?chat=${tea.id}`);
  await page.getByText("You can answer here once tea has written to you.").waitFor();
  assert.equal(await text(page).isVisible(), false);
  await server.call("POST", "/api/messages", tea.token, { receiverId: kim.id, content: "Your essay is graded" });
  await text(page).waitFor();
  await text(page).fill("Thank you");
  await text(page).press("Enter");
  await page.locator("schoolbell-chat .message.own").getByText("Thank you").waitFor();
  // What nobody may write to is not found.
  await page.getByLabel("Search").fill("office");
  await page.getByText("Nothing was found.").waitFor();
  await set({ rule: [{ from: ["teacher"], to: ["staff"], when: "anyone", may: "start" }] });
  await page.reload();
  await page.getByText("You can read this conversation. The school's rules no longer let you write to tea.").waitFor();
  await page.getByText("Your essay is graded").first().waitFor();
  assert.deepEqual(await pages.faults(page), []);
  await page.context().close();
});

test("pupils block each other from the menu of the conversation", async () => {
  await set({ preset: "open" });
  const [ann, bob] = [await server.person("ann"), await server.person("bob")];
  await server.call("POST", "/api/messages", bob.token, { receiverId: ann.id, content: "Hello" });
  const page = await pages.visit("ann", `/?chat=${bob.id}`);
  await text(page).waitFor();
  await page.getByLabel("Options", { exact: true }).click();
  await button(page, "Block bob").click();
  await page.getByText("You have blocked bob.").waitFor();
  assert.equal(await text(page).isVisible(), false);
  await server.call("POST", "/api/messages", bob.token, { receiverId: ann.id, content: "Are you there?" });
  await page.getByLabel("Options", { exact: true }).click();
  await button(page, "Unblock bob").click();
  await text(page).waitFor();
  assert.equal(await page.getByText("Are you there?").count(), 0);
  await page.getByLabel("Options", { exact: true }).click();
  await button(page, "Mute").click();
  await page.getByLabel("Options", { exact: true }).click();
  await button(page, "Unmute").waitFor();
  await page.keyboard.press("Escape");
  // The settings list whom one has blocked, and say who sees that one is online.
  await page.getByLabel("Options", { exact: true }).click();
  await button(page, "Block bob").click();
  await page.getByText("You have blocked bob.").waitFor();
  await page.goto(`${server.url}/#settings`);
  await page.getByLabel("Whether you are online").selectOption("hide");
  await page
    .locator("form", { has: page.getByLabel("Whether you are online") })
    .getByRole("button")
    .click();
  await page.getByText("Saved.").waitFor();
  assert.equal((await server.call("GET", "/api/notifications/preferences", ann.token)).showOnline, false);
  await button(page, "Unblock bob").click();
  await page.getByText("People you have blocked").waitFor({ state: "detached" });
  assert.deepEqual(await server.call("GET", "/api/users/blocked", ann.token), []);
  await page.context().close();
  // Of a teacher nobody is blocked.
  const tea = await server.person("tea2", "teacher");
  await server.call("POST", "/api/messages", tea.token, { receiverId: ann.id, content: "Good morning" });
  const again = await pages.visit("ann", `/?chat=${tea.id}`);
  await text(again).waitFor();
  await again.getByLabel("Options", { exact: true }).click();
  await button(again, "Mute").waitFor();
  assert.equal(await again.getByRole("button", { name: /Block/ }).count(), 0);
  await again.context().close();
});

test("an administrator chooses, looks at what would change, and saves", async () => {
  await set({ preset: "open" });
  const page = await pages.visit("office", "/admin/#/policy");
  await page.getByLabel("Teachers lead", { exact: true }).check();
  await page.getByText("pupils may never write to pupils").first().waitFor();
  await button(page, "What would change").click();
  await page.getByText("0 pupils can be reached by people other than").waitFor();
  assert.equal((await server.call("GET", "/api/admin/policy", office.token)).preset, "open", "nothing is saved yet");
  await button(page, "Save").click();
  await page.getByText("Saved.").waitFor();
  assert.equal((await server.call("GET", "/api/admin/policy", office.token)).preset, "teacher-led");

  // A rule that is added makes it the school's own; one that is wrong is named beside its field.
  await button(page, "Add a rule").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("group", { name: "Who writes" }).getByLabel("pupils").check();
  await dialog.getByRole("group", { name: "To whom" }).getByLabel("staff").check();
  await dialog.getByLabel("Grades of who writes").fill("seven");
  await button(dialog, "Add").click();
  await dialog.getByText("Must be grades such as").waitFor();
  await dialog.getByLabel("Grades of who writes").fill("09..");
  await button(dialog, "Add").click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("pupils may write to staff · writers of grades 09..").first().waitFor();
  assert.ok(await page.getByLabel("Rules of your own", { exact: true }).isChecked());
  // Somebody else saves meanwhile.
  await set({ preset: "family" });
  await button(page, "Save").click();
  await page.getByText("Somebody else has changed this meanwhile.").waitFor();
  await page.reload();
  await page.getByLabel("Families", { exact: true }).waitFor();

  // Two people, and why.
  await page.getByRole("searchbox", { name: "Who writes" }).fill("tea");
  await page.getByRole("button", { name: "tea", exact: true }).click();
  await page.getByRole("searchbox", { name: "To whom" }).fill("kim");
  await page.getByRole("button", { name: "kim", exact: true }).click();
  await page.getByText("Yes: tea may write to kim at any time.").waitFor();
  assert.equal(await page.getByRole("link", { name: "7a" }).first().getAttribute("href"), "#/group/7a");

  // On a phone each cell of the matrix says to whom.
  const cell = page.locator(".matrix td").first();
  assert.equal(await cell.getAttribute("data-label"), "pupils");

  // As a file, and back.
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
  const file = readFileSync(await download.path(), "utf8");
  assert.match(file, /guardian_of/);
  await page.getByLabel("Read a file").setInputFiles({ name: "policy.toml", mimeType: "text/plain", buffer: Buffer.from("rule = [{}]") });
  await page.getByText(/line 1/).waitFor();
  await page.getByLabel("Read a file").setInputFiles({ name: "policy.toml", mimeType: "text/plain", buffer: Buffer.from(file) });
  await page.getByText("Read. Nothing is saved yet.").waitFor();
  await page.context().close();
});

test("the page speaks the languages of its people", async () => {
  for (const [locale, title, preset] of [
    ["en", "Who may write to whom", "Teachers lead"],
    ["de", "Wer wem schreiben darf", "Lehrkräfte führen"],
    ["ar", "من يمكنه الكتابة إلى من", "المعلمون يقودون"],
  ]) {
    const page = await pages.visit("office", "/admin/#/policy", { locale, width: 1_280, height: 1_000 });
    await page.getByRole("heading", { name: title, exact: true }).waitFor();
    await page.getByLabel(preset, { exact: true }).check();
    assert.deepEqual(await pages.faults(page), [], locale);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/policy-${locale}.png`, fullPage: true });
    await page.context().close();
  }
});
