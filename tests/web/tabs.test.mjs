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
  const kept = () =>
    tabs[0].evaluate((id) => Object.keys(localStorage).filter((key) => key.startsWith(`schoolbell-outbox:${id}`)).length, person.id);
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
  await dialog.getByText(/Some of what you wrote has not been sent/).waitFor();
  await dialog.getByRole("button", { name: "Log out", exact: true }).click();
  await isLoginForm(tabs[0]);
  assert.equal(await kept(), 0);
  const history = await server.call("GET", `/api/messages/conversation/${teacher.id}`, person.token);
  assert.deepEqual(history, []);
});

/** What happens in the two tabs of one browser, both of yara's at first: "swap" is a login in a window that is not there any more. */
const ORDERS = [
  [
    ["out", 0],
    ["in", 0, "zeno"],
  ],
  [
    ["out", 0],
    ["in", 1, "zeno"],
  ],
  [
    ["out", 1],
    ["in", 0, "zeno"],
  ],
  [
    ["out", 0],
    ["in", 0, "yara"],
  ],
  [["swap", "zeno"]],
  [
    ["swap", "zeno"],
    ["out", 0],
  ],
  [
    ["out", 0],
    ["in", 1, "zeno"],
    ["swap", "yara"],
  ],
  [
    ["out", 0],
    ["in", 0, "zeno"],
    ["out", 0],
    ["in", 1, "yara"],
  ],
];

test("in every order of log-out and login, nothing private arrives in or leaves from the wrong tab", async () => {
  const { person: yara, tabs } = await bothOf("yara");
  const people = { yara, zeno: await server.person("zeno") };
  const swap = async (username) => {
    const data = { username, password: PASSWORD };
    await browser.context.request.post(`${server.url}/api/auth/session`, { data, headers: { origin: server.url } });
  };
  /** Whose page a tab is; undefined where it asks to log in. */
  const whose = (tab) => tab.evaluate(() => document.querySelector(".who")?.textContent);
  const texts = (tab) =>
    tab.evaluate(() => [...document.querySelectorAll("schoolbell-chat")].map(({ shadowRoot }) => shadowRoot.textContent).join());
  const acts = {
    out: async (at) => (await whose(tabs[at])) && logOut(tabs[at]).then(() => isLoginForm(tabs[at])),
    in: async (at, name) => !(await whose(tabs[at])) && logIn(tabs[at], name),
    swap,
  };

  for (const [number, order] of ORDERS.entries()) {
    await browser.context.clearCookies();
    await swap("yara");
    for (const tab of tabs) {
      await tab.goto("about:blank");
      await tab.goto(`${server.url}/?chat=${teacher.id}`);
      await tab.getByLabel("Write a message").waitFor();
    }
    for (const [act, ...values] of order) await acts[act](...values);
    for (const [name, person] of Object.entries(people)) await write(person, `to ${name} ${number}`);
    const said = JSON.stringify(order);
    for (const [at, tab] of tabs.entries()) {
      const composer = tab.getByLabel("Write a message");
      const owner = await whose(tab);
      // A page that notices just now that it is another's has no composer any more.
      if (owner)
        await composer
          .fill(`from tab ${at} of ${owner} ${number}`, { timeout: 2_000 })
          .then(() => composer.press("Enter", { timeout: 2_000 }))
          .catch(() => {});
    }
    await new Promise((resolve) => setTimeout(resolve, 700));
    for (const tab of tabs) {
      const owner = await whose(tab);
      for (const name of Object.keys(people)) {
        if (name !== owner) assert.ok(!(await texts(tab)).includes(`to ${name} ${number}`), `${said}: ${name}'s in ${owner}'s tab`);
      }
    }
    for (const [name, person] of Object.entries(people)) {
      const history = await server.call("GET", `/api/messages/conversation/${person.id}`, teacher.token);
      const sent = history.filter(({ senderId, content }) => senderId === person.id && content.endsWith(` ${number}`));
      for (const { content } of sent) assert.ok(content.includes(`of ${name} `), `${said}: “${content}” came from ${name}`);
    }
  }
});
