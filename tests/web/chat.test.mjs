// The people's page: chat, bell, settings.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { logIn, startPages } from "./pages.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

let server, pages, key;

before(async () => {
  server = await startServer();
  pages = await startPages(server);
  key = await server.key("back end");
});
after(async () => {
  await pages?.stop();
  await server?.stop();
});
afterEach(() => pages.quiet());

const text = (page) => page.getByLabel("Write a message");
const bubbles = (page) => page.locator("schoolbell-chat .message");

async function write(page, content) {
  await text(page).fill(content);
  await text(page).press("Enter");
}

/** Two people, each with the other's conversation open. */
async function couple(a, b, options) {
  const people = [await server.person(a), await server.person(b)];
  const both = await Promise.all([pages.visit(a, `/?chat=${people[1].id}`, options), pages.visit(b, `/?chat=${people[0].id}`, options)]);
  await Promise.all(both.map((page) => text(page).waitFor()));
  return { people, both };
}

test("two people write to each other: ticks, typing, presence", async () => {
  const { both } = await couple("ann", "bob");
  const [ann, bob] = both;
  await write(ann, "Hello <b>Bob</b>");
  await bubbles(bob).getByText("Hello <b>Bob</b>").waitFor();
  // Bob looks at it, so it is read.
  await ann.locator("[data-tick=read]").waitFor();
  await text(bob).pressSequentially("Hi");
  await ann.getByText("bob is writing…").waitFor();
  await text(bob).press("Enter");
  await bubbles(ann).getByText("Hi", { exact: true }).waitFor();
  await ann.getByText("bob is writing…").waitFor({ state: "hidden" });
  await ann.locator("schoolbell-chat .window header").getByText("Online").waitFor();
  // The name came with the first message.
  await ann.getByRole("heading", { name: "bob" }).waitFor();

  // Elsewhere: unread until the conversation is open again.
  await bob.reload();
  await text(bob).waitFor();
  await bob.goto(server.url);
  await bob.locator("schoolbell-chat .talk").waitFor();
  await write(ann, "Are you there?");
  await bob.locator("schoolbell-chat .talk .badge").getByText("1").waitFor();
  assert.equal(await ann.locator("[data-tick=sent]").count(), 1);
  await bob.locator("schoolbell-chat .talk").click();
  await ann.locator("[data-tick=sent]").waitFor({ state: "detached" });
  assert.equal(await bob.locator("schoolbell-chat .talk .badge").count(), 0);
});

test("what is written without a connection, and over a restart, comes once", async () => {
  const { people, both } = await couple("cat", "dan");
  const [cat, dan] = both;
  await write(cat, "before");
  await bubbles(dan).getByText("before").waitFor();
  await server.end("SIGKILL");
  await cat.getByText("No connection.").waitFor();
  await write(cat, "while it was away");
  await write(dan, "from the other side");
  await cat.locator("[data-pending]").waitFor();
  await server.start();
  await bubbles(dan).getByText("while it was away").waitFor({ timeout: 40_000 });
  await bubbles(cat).getByText("from the other side").waitFor({ timeout: 40_000 });
  await cat.locator("[data-pending]").waitFor({ state: "detached" });
  await cat.getByText("No connection.").waitFor({ state: "hidden" });
  const expected = ["before", "while it was away", "from the other side"].sort();
  for (const page of both) {
    await until("three messages", async () => (await bubbles(page).count()) === 3);
    const shown = await bubbles(page).locator("p").allTextContents();
    assert.deepEqual(shown.sort(), expected);
  }
  const stored = await server.call("GET", `/api/messages/conversation/${people[1].id}`, people[0].token);
  assert.deepEqual(stored.map(({ content }) => content).sort(), expected);
});

test("a message that was not sent outlives a reload", async () => {
  const { both } = await couple("eda", "fin");
  const [eda, fin] = both;
  // The page is there, the server's routes are not.
  await eda.route("**/api/messages", (route) => route.abort());
  await write(eda, "kept");
  await eda.locator("[data-pending]").waitFor();
  await eda.unroute("**/api/messages");
  await eda.reload();
  await bubbles(fin).getByText("kept").waitFor();
  await until("one message", async () => (await bubbles(eda).count()) === 1);
});

test("a draft stays with its conversation, and nobody behind the settings has read a message", async () => {
  const [qi, ron, sue] = [await server.person("qi"), await server.person("ron"), await server.person("sue")];
  for (const from of [ron, sue]) await server.call("POST", "/api/messages", from.token, { receiverId: qi.id, content: "hello" });
  const page = await pages.visit("qi");
  const talk = (name) => page.locator("schoolbell-chat .talk", { hasText: name });
  await talk("ron").click();
  await text(page).fill("to ron");
  await talk("sue").click();
  await page.getByRole("heading", { name: "sue" }).waitFor();
  assert.equal(await text(page).inputValue(), "");
  await talk("ron").click();
  assert.equal(await text(page).inputValue(), "to ron");

  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  const message = await server.call("POST", "/api/messages", ron.token, { receiverId: qi.id, content: "are you there?" });
  // It has come, and it is unread.
  await bubbles(page).getByText("are you there?").waitFor({ state: "attached" });
  const stored = async () =>
    (await server.call("GET", `/api/messages/conversation/${qi.id}`, ron.token)).find(({ id }) => id === message.id);
  assert.equal((await stored()).read, false);
  await page.getByRole("link", { name: "Back to the messages" }).click();
  await until("it is read", async () => (await stored()).read);
});

test("a message in another conversation, or behind the settings, is spoken, and the title counts", async () => {
  const [una, vic, wes] = [await server.person("una"), await server.person("vic"), await server.person("wes")];
  const page = await pages.visit("una", `/?chat=${vic.id}`);
  await text(page).waitFor();
  const write = (from, content) => server.call("POST", "/api/messages", from.token, { receiverId: una.id, content });
  const spoken = (words) => page.locator("[role=status]", { hasText: words }).waitFor({ state: "attached" });
  await write(wes, "over here");
  await spoken("Message from wes: over here");
  await until("one unread", async () => (await page.title()) === "(1) schoolbell");
  // What is in front of her is read.
  await write(vic, "and here");
  await bubbles(page).getByText("and here").waitFor();
  await until("still one", async () => (await page.title()) === "(1) schoolbell");

  await page.getByRole("link", { name: "Settings" }).click();
  await write(vic, "are you there?");
  await page.locator("body > [role=status]", { hasText: "Message from vic: are you there?" }).waitFor({ state: "attached" });
  await until("two unread", async () => (await page.title()) === "(2) schoolbell");
  await page.getByRole("link", { name: "Back to the messages" }).click();
  await page.locator("schoolbell-chat .talk", { hasText: "wes" }).click();
  await until("none", async () => (await page.title()) === "schoolbell");
});

test("what was missed is counted once", async () => {
  const tom = await server.person("tom");
  const page = await pages.visit("tom");
  const notify = (title) => server.call("POST", "/api/notifications", key, { userId: tom.id, type: "grade", title, message: "x" });
  await notify("One");
  await page.getByRole("button", { name: "Notifications, 1 unread" }).waitFor();
  await server.end("SIGTERM");
  await page.getByText("No connection.").waitFor();
  // Nobody connects while two more are written.
  await page.context().setOffline(true);
  await server.start();
  await notify("Two");
  await notify("Three");
  await page.context().setOffline(false);
  await page.getByText("No connection.").waitFor({ state: "hidden", timeout: 40_000 });
  await page.getByRole("button", { name: "Notifications, 3 unread" }).waitFor();
});

test("a session that ends asks to log in, and what was being written stays", async () => {
  const { people, both } = await couple("gil", "hal");
  const [gil] = both;
  await text(gil).fill("half a sentence");
  await server.call("POST", "/api/auth/logout-all", people[0].token);
  await gil.getByText("Your session has ended.").waitFor();
  await logIn(gil, "gil");
  await text(gil).waitFor();
  assert.equal(await text(gil).inputValue(), "half a sentence");
});

test("history loads as one scrolls, and stays where one reads", async () => {
  const [ivy, jon] = [await server.person("ivy"), await server.person("jon")];
  for (let n = 1; n <= 120; n += 1) {
    await server.call("POST", "/api/messages", ivy.token, { receiverId: jon.id, content: `number ${n}` });
  }
  const page = await pages.visit("jon", `/?chat=${ivy.id}`);
  await bubbles(page).getByText("number 120", { exact: true }).waitFor();
  assert.equal(await bubbles(page).count(), 50);
  const list = page.locator("schoolbell-chat .messages");
  const atEnd = await list.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight);
  assert.ok(atEnd < 5, `${atEnd}`);
  await list.evaluate((one) => (one.scrollTop = 0));
  await until("the page before", async () => (await bubbles(page).count()) === 100);
  // What was at the top is still in sight.
  await bubbles(page).getByText("number 71", { exact: true }).waitFor();
  const seen = await bubbles(page)
    .getByText("number 71", { exact: true })
    .evaluate((one) => one.getBoundingClientRect().top);
  assert.ok(seen > 0 && seen < 800, `${seen}`);
  await list.evaluate((one) => (one.scrollTop = 0));
  await until("all", async () => (await bubbles(page).count()) === 120);
});

test("people and messages are found", async () => {
  const [kim, lea] = [await server.person("kim"), await server.person("lea")];
  await server.call("POST", "/api/messages", kim.token, { receiverId: lea.id, content: "the museum trip" });
  const page = await pages.visit("lea");
  await page.getByLabel("Search people and messages").fill("museum");
  await page.getByRole("heading", { name: "Messages" }).waitFor();
  await page.locator("schoolbell-chat .talk:visible").click();
  await bubbles(page).getByText("the museum trip").waitFor();
  await page.getByLabel("Search people and messages").fill("kim");
  await page.getByRole("heading", { name: "People" }).waitFor();
  await page.getByLabel("Search people and messages").fill("nobody at all");
  await page.getByText("Nothing was found.").waitFor();
});

test("the bell counts, shows, and marks one or all as read", async () => {
  const mia = await server.person("mia");
  const page = await pages.visit("mia");
  const notify = (title) =>
    server.call("POST", "/api/notifications", key, { userId: mia.id, type: "grade", title, message: `${title} <i>x</i>` });
  const bell = page.locator("schoolbell-bell .ring");
  await notify("First");
  await notify("Second");
  await notify("Third");
  await page.getByRole("button", { name: "Notifications, 3 unread" }).click();
  const notes = page.locator("schoolbell-bell .note");
  assert.deepEqual(await notes.locator("strong").allTextContents(), ["Third", "Second", "First"]);
  await notes.nth(1).click();
  await page.getByRole("button", { name: "Notifications, 2 unread" }).waitFor();
  // One that comes while the panel is open is the first of it.
  await notify("Fourth");
  await notes.first().getByText("Fourth", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Mark all as read" }).click();
  await page.getByRole("button", { name: "Notifications, 0 unread" }).waitFor();
  assert.deepEqual(await server.call("GET", "/api/notifications/unread-count", mia.token), { count: 0, unreadCount: 0 });
  await page.keyboard.press("Escape");
  await page.locator("schoolbell-bell .panel").waitFor({ state: "hidden" });
  assert.equal(await bell.evaluate((one) => one.getRootNode().activeElement === one), true);
});

test("quiet hours, the password and the language are a person's own", async () => {
  const ned = await server.person("ned");
  const page = await pages.visit("ned", "/#settings");
  await page.getByLabel("Quiet hours").check();
  await page.getByLabel("From", { exact: true }).fill("20:30");
  await page.getByLabel("Sunday").uncheck();
  const quiet = page.locator("form", { has: page.getByLabel("Quiet hours") });
  await quiet.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  const { quietHours } = await server.call("GET", "/api/notifications/preferences", ned.token);
  assert.deepEqual(quietHours.windows, [{ days: ["mon", "tue", "wed", "thu", "fri", "sat"], from: "20:30", to: "07:00" }]);

  await page.getByLabel("Current password").fill("wrong");
  await page.getByLabel("New password").fill("another heron on a kettle");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("This is wrong.").waitFor();
  assert.equal(await page.getByLabel("New password").inputValue(), "another heron on a kettle");
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("The password is changed.").waitFor();
  // The session goes on, with the new password.
  await page.reload();
  await page.getByRole("heading", { name: "Settings" }).waitFor();

  await page.getByLabel("Language").selectOption("de");
  await page.getByRole("heading", { name: "Einstellungen" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
  // It is also that of what the server writes itself.
  const { token } = await server.call("POST", "/api/auth/login", "", { username: "ned", password: "another heron on a kettle" });
  assert.equal((await server.call("GET", "/api/notifications/preferences", token)).language, "de");
});

test("all of it by keyboard", async () => {
  const [ola, pat] = [await server.person("ola"), await server.person("pat")];
  await server.call("POST", "/api/messages", pat.token, { receiverId: ola.id, content: "hello ola" });
  const page = await pages.open("/");
  await page.getByLabel("Username").waitFor();
  await page.keyboard.type("ola");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.locator("schoolbell-chat .talk").waitFor();
  const focused = () =>
    page.evaluate(() => {
      let at = document.activeElement;
      while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
      return at?.getAttribute("aria-label") ?? at?.textContent ?? "";
    });
  const tabTo = async (name) => {
    for (let n = 0; n < 30; n += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).includes(name)) return;
    }
    assert.fail(`${name} is out of reach`);
  };
  await tabTo("Notifications,");
  await page.keyboard.press("Enter");
  await page.getByText("Nothing has arrived yet.").waitFor();
  await page.keyboard.press("Escape");
  await tabTo("hello ola");
  await page.keyboard.press("Enter");
  await until("the text to be written to", async () => (await focused()) === "Write a message");
  await page.keyboard.type("hello pat");
  await page.keyboard.press("Enter");
  await bubbles(page).getByText("hello pat").waitFor();
});
