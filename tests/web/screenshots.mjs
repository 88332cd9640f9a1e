// The pictures of the README, from the school of `schoolbell demo`: node screenshots.mjs
import { mkdirSync } from "node:fs";
import { io } from "socket.io-client";
import { startPages } from "./pages.mjs";
import { startServer } from "./server.mjs";

const FOLDER = new URL("../../docs/screenshots/", import.meta.url).pathname;
const server = await startServer();
const pages = await startPages(server);
mkdirSync(FOLDER, { recursive: true });

const school = server.run("demo").match(/password is (\S+)\./)[1];
await server.end("SIGTERM");
await server.start();
const login = async (username) => server.call("POST", "/api/auth/login", "", { username, password: school });
const office = await login("head.office");
const teacher = await login("miriam.okafor");
const people = await server.call("GET", "/api/admin/people?limit=60", office.token);

// Some of the school is there, and some have written.
const present = await Promise.all(
  people
    .filter(({ username }) => username !== "miriam.okafor")
    .slice(0, 24)
    .map(({ username }) => login(username)),
);
const sockets = present.map(({ token }) => io(server.url, { transports: ["websocket"], auth: { token }, forceNew: true }));
await new Promise((resolve) => setTimeout(resolve, 500));
for (const [at, { token }] of present.entries()) {
  for (let n = 0; n <= at % 4; n += 1)
    await server.call("POST", "/api/messages", token, { receiverId: teacher.user.id, content: "See you tomorrow!" });
}
const announcement = await server.call("POST", "/api/admin/announcements", office.token, {
  title: "Snow tomorrow: school starts at ten",
  message: "Buses run two hours late. The canteen opens at half past nine.",
  audience: { roles: ["student", "guardian"] },
});
await new Promise((resolve) => setTimeout(resolve, 1_500));
for (const { token } of present.slice(0, 9)) await server.call("PUT", "/api/notifications/mark-all-read", token);
await new Promise((resolve) => setTimeout(resolve, 9_000));

const shoot = async (page, name) => {
  await page.waitForTimeout(1_200);
  await page.screenshot({ path: `${FOLDER}${name}.png` });
};
const admin = await pages.visit("head.office", "/admin/#/overview", { height: 820, password: school });
await shoot(admin, "overview");
await admin.goto(`${server.url}/admin/#/announcement/${announcement.id}`);
await shoot(admin, "report");
const chat = await pages.visit("miriam.okafor", "/", { height: 720, dark: true, password: school });
await chat.locator("schoolbell-chat .talk").nth(3).click();
await chat.getByRole("button", { name: /^Notifications/ }).click();
await shoot(chat, "chat");

sockets.forEach((socket) => socket.close());
await pages.stop();
await server.stop();
