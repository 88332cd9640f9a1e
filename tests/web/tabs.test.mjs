// Two tabs of one browser, and two people at it: nothing private arrives in, or leaves from, the wrong one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { PASSWORD, startServer } from "./server.mjs";
import { until } from "./until.mjs";

let server, browser, teacher;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  teacher = await server.person("teacher", "teacher");
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

async function logIn(tab, name) {
  await tab.getByLabel("Username").fill(name);
  await tab.getByLabel("Password").fill(PASSWORD);
  await tab.keyboard.press("Enter");
  await tab.locator("schoolbell-chat").waitFor();
}

/** Two tabs, both of the first person, who wrote to the teacher. */
async function bothOf(name) {
  await browser.context.clearCookies();
  const person = await server.person(name);
  const tabs = [await browser.context.newPage(), await browser.context.newPage()];
  await tabs[0].goto(`${server.url}/?chat=${teacher.id}`);
  await logIn(tabs[0], name);
  await tabs[1].goto(`${server.url}/?chat=${teacher.id}`);
  await tabs[1].getByLabel("Write a message").waitFor();
  return { person, tabs };
}

const write = (to, content) => server.call("POST", "/api/messages", teacher.token, { receiverId: to.id, content });
const logOut = async (tab) => {
  await tab.goto(`${server.url}/#settings`);
  await tab.getByRole("button", { name: "Log out", exact: true }).click();
};
const isLoginForm = (tab) => tab.getByLabel("Username").waitFor();

test("who logs out in one tab is logged out in the other, which shows nothing of theirs", async () => {
  const { person, tabs } = await bothOf("uma");
  await write(person, "for uma's eyes");
  await tabs[1].getByText("for uma's eyes").first().waitFor();
  await logOut(tabs[0]);
  await isLoginForm(tabs[0]);
  await isLoginForm(tabs[1]);
  assert.equal(await tabs[1].getByText("for uma's eyes").count(), 0);
});

test("somebody else who logs in in one tab gets nothing in the other one's page", async () => {
  const { tabs } = await bothOf("vera");
  const other = await server.person("will");
  // Without the tabs' word for it, as from another window that was there before: the cookie alone changes.
  const login = await browser.context.request.post(`${server.url}/api/auth/session`, {
    data: { username: "will", password: PASSWORD },
    headers: { origin: server.url },
  });
  assert.equal(login.status(), 200);
  await tabs[1].getByLabel("Write a message").fill("from vera's page");
  await tabs[1].getByLabel("Write a message").press("Enter");
  await isLoginForm(tabs[1]);
  // A link that is lost comes back by the cookie, which is the other's.
  await server.end("SIGTERM");
  await server.start();
  await write(other, "for will's eyes");
  await isLoginForm(tabs[0]);
  const shown = await Promise.all(tabs.map((tab) => tab.getByText("for will's eyes").count()));
  assert.deepEqual(shown, [0, 0]);
  const list = await server.call("GET", "/api/messages/conversations", teacher.token);
  const contents = list.map(({ lastMessage }) => lastMessage.content);
  assert.ok(!contents.includes("from vera's page"), "nothing of vera's goes as will");
});

test("what was written and not sent is not left for the next person", async () => {
  const { person, tabs } = await bothOf("xena");
  const kept = () => tabs[0].evaluate((id) => Object.keys(localStorage).filter((key) => key.startsWith(`schoolbell-outbox:${id}`)).length, person.id);
  await browser.context.setOffline(true);
  await tabs[0].getByLabel("Write a message").fill("never sent");
  await tabs[0].getByLabel("Write a message").press("Enter");
  await until("it is kept", async () => (await kept()) === 1);
  // Somebody in the way of the server: what is written does not go, and the rest does.
  await tabs[0].route("**/api/messages", (route) => route.abort());
  await browser.context.setOffline(false);
  await tabs[0].evaluate(() => (location.hash = "#settings"));
  await tabs[0].getByRole("button", { name: "Log out", exact: true }).click();
  const dialog = tabs[0].getByRole("dialog");
  await dialog.getByText(/Not everything that you wrote has been sent/).waitFor();
  await dialog.getByRole("button", { name: "Log out", exact: true }).click();
  await isLoginForm(tabs[0]);
  assert.equal(await kept(), 0);
  const history = await server.call("GET", `/api/messages/conversation/${teacher.id}`, person.token);
  assert.deepEqual(history, []);
});
